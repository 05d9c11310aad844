/** E07xx: plans of training a model on machines that are not here. */
import { either, message, near, quoted, replacedBy } from "./message.ts";

const whole = `model m {
  vocab 65  context 16  width 8  layers 1  heads 2
  embed token  layer { x += attention(x) }  output linear(x)
}
`;

export const plans = {
  E0701: message<{ name: string; nearest: string | undefined; models: readonly string[] }>({
    title: "a plan of a model that is not there",
    text: ({ name }) => `there is no model called ${quoted(name)} in this file`,
    help: ({ nearest, models }) =>
      near(nearest) ?? (models.length > 0 ? `there are ${either(models.slice(0, 8))}` : undefined),
    fixes: ({ nearest }) => replacedBy(nearest),
    explain: `"plan NAME of MODEL on DEVICE { … }" says how a model is trained on a cluster. The model
stands in the same file, in any order.`,
    wrong: `${whole}plan p of n on h100 { devices 8 }`,
    right: `${whole}plan p of m on h100 { devices 8 }`,
  }),
  E0702: message<{ name: string }>({
    title: "two plans of one name",
    text: ({ name }) => `there are two plans called ${quoted(name)}`,
    help: () => "rename one of them",
    explain: `A plan is chosen by its name ("sinter plan SPEC --plan NAME").`,
    wrong: `${whole}plan p of m on h100 { devices 8 }\nplan p of m on a100 { devices 8 }`,
    right: `${whole}plan p of m on h100 { devices 8 }\nplan q of m on a100 { devices 8 }`,
  }),
  E0703: message<{ fact: string; expected: string; found: string; instead: string | undefined }>({
    title: "a plan's expectation is not met",
    text: ({ fact, expected, found }) => `expected ${fact} ${expected}, found ${found}`,
    help: ({ instead }) =>
      instead === undefined
        ? "say what an hour of one device costs, for example `price 2.69`"
        : "`sinter plan SPEC` prints what it is made of",
    fixes: ({ instead }) => replacedBy(instead),
    explain: `"expect FACT VALUE ± PERCENT%" in a plan compares what was published with what follows from the
model's graph and the plan. Without "±" it is 1 %. Where it is not met, one of the three is wrong: the plan,
the published number, or the method by which it was counted. Of operations there are three counts (flops is
6 · N · D); hours have goodput in them; money has a price, which has a date.`,
    wrong: `${whole}plan p of m on h100 { tokens 1e9  expect flops 1e20 ± 5% }`,
    right: `${whole}plan p of m on h100 { tokens 1e9  expect flops 7.78e12 ± 5% }`,
  }),
  E0704: message<{ what: string; help: string }>({
    title: "degrees that do not divide",
    text: ({ what }) => what,
    help: ({ help }) => help,
    explain: `Tensor parallelism gives each device whole heads and an even share of the hidden rows, so its
degree divides heads, kv_heads and hidden. The product of tensor, pipeline and shard divides the devices; the
layers of a pipeline's stage are whole; experts are divided evenly.`,
    wrong: `${whole}plan p of m on h100 { tensor 4 }`,
    right: `${whole}plan p of m on h100 { tensor 2 }`,
  }),
  E0705: message<{ bytes: string; memory: string; largest: string }>({
    title: "a plan that does not fit",
    text: ({ bytes, memory }) => `the fullest device needs ${bytes}, and has ${memory}`,
    help: ({ largest }) =>
      `most of it are ${largest}: divide further (shard, tensor, pipeline), or recompute`,
    explain: `A plan counts what a device holds: weights, gradients and moments by how they are divided,
activations from the model's graph, logits, buffers. Above 95 % of a device's memory runs fail; "tight" is
what lies between 80 and 95 %. "sinter plan SPEC --solve parallel" looks for a way that fits.`,
    wrong: `${whole}plan p of m on h100 { micro 900_000_000  sequence 16 }`,
    right: `${whole}plan p of m on h100 { micro 1000  sequence 16 }`,
  }),
  E0706: message<{ batchTokens: string; together: string; nearest: string }>({
    title: "a batch that does not come out even",
    text: ({ batchTokens, together }) =>
      `${batchTokens} tokens a step are no multiple of a micro-batch on all ranks, ${together}`,
    help: ({ nearest }) => `use ${nearest}`,
    fixes: ({ nearest }) => replacedBy(nearest),
    explain: `A step has a whole number of micro-batches on each rank; ranks are the devices that read
different sequences: devices / (tensor × pipeline × context).`,
    wrong: `${whole}plan p of m on h100 { devices 8  micro 1  sequence 16  batch_tokens 200 }`,
    right: `${whole}plan p of m on h100 { devices 8  micro 1  sequence 16  batch_tokens 256 }`,
  }),
  E0707: message<{ name: string; nearest: string | undefined; plans: readonly string[] }>({
    title: "a plan like one that is not there",
    text: ({ name }) => `there is no plan called ${quoted(name)} in this file`,
    help: ({ nearest, plans: others }) =>
      near(nearest) ?? (others.length > 0 ? `there are ${either(others.slice(0, 8))}` : undefined),
    fixes: ({ nearest }) => replacedBy(nearest),
    explain: `"plan b like a { … }" takes the model, the device and the settings of a, and then what b says
itself ("plan b like a on h200 { … }"). What a expects is not expected of b.`,
    wrong: `${whole}plan p of m on h100 { devices 8 }\nplan q like o { devices 16 }`,
    right: `${whole}plan p of m on h100 { devices 8 }\nplan q like p { devices 16 }`,
  }),
  E0708: message<{ name: string }>({
    title: "plans that are like each other in a circle",
    text: ({ name }) => `${quoted(name)} is like itself, through the plans that it is like`,
    help: () => "one of them has to be written out",
    explain: `"like" means: take the other plan's model, device and settings. In a circle there would be
nothing to take.`,
    wrong: `${whole}plan p like q { }\nplan q like p { }`,
    right: `${whole}plan p of m on h100 { }\nplan q like p { }`,
  }),
  E0709: message<{ name: string }>({
    title: "two hardware blocks of one name",
    text: ({ name }) => `there are two hardware blocks called ${quoted(name)}`,
    help: () => "rename one of them",
    explain: `A plan names its device by the block's name ("plan p of m on my-card").`,
    wrong: `${whole}hardware c like h100 { power 500 }\nhardware c like a100 { power 300 }`,
    right: `${whole}hardware c like h100 { power 500 }\nhardware d like a100 { power 300 }`,
  }),
  E0710: message<{ name: string }>({
    title: "devices that are like each other in a circle",
    text: ({ name }) => `${quoted(name)} is like itself, through the devices that it is like`,
    help: () => "one of them has to be written out",
    explain: `"hardware a like b { … }" takes what b has, and then what a says itself; b is another block or
a device of the table. In a circle there would be nothing to take.`,
    wrong: `${whole}hardware c like d { }\nhardware d like c { }`,
    right: `${whole}hardware c like h100 { }\nhardware d like c { }`,
  }),
  E0711: message<{ name: string; missing: readonly string[] }>({
    title: "a device without a figure that plans need",
    text: ({ name, missing }) => `hardware ${quoted(name)} does not say its ${missing.join(", ")}`,
    help: ({ name }) =>
      `say it, or take it from a device of the table: ${quoted(`hardware ${name} like h100`)}`,
    explain: `A device of its own has a peak in bf16 or fp16 (dense operations per second), memory in bytes,
the memory's bandwidth, how many devices a node has, the rates of a link within a node and of the network
between nodes (bytes per second), and power in watts. One that is like another has the other's.`,
    wrong: `${whole}hardware c { bf16 989e12  memory 80e9 }`,
    right: `${whole}hardware c like h100 { bf16 989e12  memory 80e9 }`,
  }),
};
