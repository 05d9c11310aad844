/** What the model learns: names of flowers, each between two ends of a line. */
export const flowers = `
aconite agapanthus allium alyssum amaranth amaryllis anemone angelica aquilegia arnica artemisia asphodel
aster astilbe aubrieta avens azalea balsam barberry begonia bellflower bergamot betony bindweed bleedingheart
bluebell borage bougainvillea bramble broom bryony buddleia bugle buttercup calendula camellia campanula
campion candytuft carnation catmint celandine chamomile chervil chicory chrysanthemum cinquefoil clarkia
clematis clover coltsfoot columbine comfrey coreopsis cornflower cosmos cowslip cranesbill crocus cyclamen
daffodil dahlia daisy dandelion daphne daylily delphinium dianthus dogrose echinacea edelweiss elderflower
eyebright feverfew flax foxglove freesia fritillary fuchsia gaillardia gardenia gentian geranium gladiolus
goldenrod groundsel harebell hawthorn heather heliotrope hellebore hibiscus hollyhock honesty honeysuckle
hyacinth hydrangea hyssop iris ivy jasmine jonquil knapweed knautia larkspur lavender lilac lily lobelia
loosestrife lotus lungwort lupin magnolia mallow marigold marjoram meadowsweet mignonette milkweed mimosa
monkshood mullein myrtle narcissus nasturtium nemesia nigella oleander orchid oxlip pansy parsley pasqueflower
peony periwinkle petunia phlox pimpernel pink plumeria poppy primrose protea ragwort ranunculus rhododendron
rose rosemary rudbeckia saffron sage salvia saxifrage scabious sedum snapdragon snowdrop sorrel speedwell
spiraea stitchwort stock sunflower sweetpea tansy teasel thistle thrift thyme toadflax tulip valerian verbena
vervain veronica vetch viburnum viola violet wallflower waterlily windflower wisteria woodruff yarrow zinnia
`.replaceAll(/\s+/g, "\n");
