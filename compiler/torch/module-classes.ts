/** The classes of an exported model.py: only those that the model uses are written. */
import type { PartKind } from "../../runtime/contract/model.ts";

const norm = (title: string, doc: string, body: string): string => `class ${title}(nn.Module):
    """${doc}"""

    def __init__(self, s, eps, weight, bias, **on):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(s["width"], **on)) if weight else None
        self.bias = nn.Parameter(torch.zeros(s["width"], **on)) if bias else None

    def forward(self, x):
${body}`;

const texts = {
  LayerNorm: norm(
    "LayerNorm",
    "Rows to mean 0 and variance 1 (Ba et al. 2016).",
    "        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)",
  ),
  RMSNorm: norm(
    "RMSNorm",
    "Rows to a mean square of 1, in fp32 at least (Zhang & Sennrich 2019).",
    `        wide = x.double() if x.dtype == torch.float64 else x.float()
        y = (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)).to(x.dtype)
        y = y if self.weight is None else y * self.weight
        return y if self.bias is None else y + self.bias`,
  ),
  activations: `def gelu_tanh(x):
    return F.gelu(x, approximate="tanh")


def relu2(x):
    return F.relu(x).square()


ACTIVATIONS = {"relu": F.relu, "relu2": relu2, "gelu": F.gelu, "gelu_tanh": gelu_tanh, "silu": F.silu}`,
  Attention: `def rope_turns(
    positions, head_dim, theta, linear=1, factor=1, low=1, high=4, original=1, like=None
):
    """cos and sin [..., T, head_dim] of rotary positions (Su et al. 2021), with Llama 3.1's scaling."""
    plain = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64, device=positions.device) / head_dim)
    wavelength = 2 * math.pi / plain
    smooth = ((original / wavelength - low) / (high - low)).clamp(0, 1)  # 0: stretched in full
    frequency = (1 - smooth) * plain / factor + smooth * plain if factor != 1 else plain
    angle = (positions.double() / linear)[..., None] * frequency
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos().to(like.dtype), angle.sin().to(like.dtype)


def turned(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-b, a), dim=-1) * sin


class Attention(nn.Module):
    """softmax(Q K^T / sqrt(D)) V per head, then a projection.

    Vaswani et al. 2017; fewer heads of keys and values: Ainslie et al. 2023.
    """

    def __init__(self, s, bias, out_bias, causal, qk_norm=None, **on):
        super().__init__()
        self.s, self.causal, self.eps, D = s, causal, qk_norm, s["head_dim"]
        self.q_proj = nn.Linear(s["width"], s["heads"] * D, bias=bias, **on)
        self.k_proj = nn.Linear(s["width"], s["kv_heads"] * D, bias=bias, **on)
        self.v_proj = nn.Linear(s["width"], s["kv_heads"] * D, bias=bias, **on)
        self.o_proj = nn.Linear(s["heads"] * D, s["width"], bias=out_bias, **on)
        if qk_norm is not None:
            self.q_norm = nn.Parameter(torch.ones(D, **on))
            self.k_norm = nn.Parameter(torch.ones(D, **on))

    def forward(self, x, layer, positions):
        B, T, _ = x.shape
        packed = positions.dim() == 2  # documents side by side, each from its position 0
        # -1: with tensor parallelism a device has a part of the heads
        maps = (self.q_proj, self.k_proj, self.v_proj)
        q, k, v = (map(x).view(B, T, -1, self.s["head_dim"]).transpose(1, 2) for map in maps)
        if self.eps is not None:
            q, k = self.normed(q, self.q_norm), self.normed(k, self.k_norm)
        if "rope" in self.s:
            of_heads = positions[:, None] if packed else positions
            cos, sin = rope_turns(of_heads, self.s["head_dim"], like=x, **self.s["rope"])
            q, k = turned(q, cos, sin), turned(k, cos, sin)
        window = self.s["windows"][layer] if "windows" in self.s else 0
        mixed = attend(q, k, v, self.causal, window, (positions == 0).cumsum(-1) if packed else None)
        return self.o_proj(mixed.transpose(1, 2).reshape(B, T, -1))

    def normed(self, x, weight):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * weight


# PyTorch 2.5 and later share heads of keys and values without copies of them
GROUPED = "enable_gqa" in (getattr(F, "scaled_dot_product_attention", None).__doc__ or "")


def attend(q, k, v, causal, window, documents=None):
    """q [B, H, T, D], k and v [B, G, T, D]; a window lets a query see so many positions, its own included,
    and documents [B, T], by their numbers, see themselves alone.
    """
    T, groups = q.shape[2], q.shape[1] // k.shape[1]
    hidden = None
    if window or documents is not None:
        far = torch.arange(T, device=q.device)
        distance = far[:, None] - far[None, :]
        hidden = (distance < 0) & causal
        if window:
            hidden = hidden | (distance >= window)
        if documents is not None:
            hidden = hidden | (documents[:, None, :, None] != documents[:, None, None, :])
    if groups > 1 and GROUPED and hidden is None:
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=True)
    if groups > 1:
        k, v = (part.repeat_interleave(groups, dim=1) for part in (k, v))
    if hasattr(F, "scaled_dot_product_attention"):
        mask = None if hidden is None else ~hidden
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal and mask is None)
    if hidden is None and causal:
        hidden = torch.ones(T, T, dtype=torch.bool, device=q.device).triu(1)
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    scores = scores if hidden is None else scores.masked_fill(hidden, -math.inf)
    return scores.softmax(-1) @ v`,
  MLP: `class MLP(nn.Module):
    """activation(x U + b) D + b."""

    def __init__(self, s, activation, bias, **on):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.up_proj = nn.Linear(s["width"], s["hidden"], bias=bias, **on)
        self.down_proj = nn.Linear(s["hidden"], s["width"], bias=bias, **on)

    def forward(self, x):
        return self.down_proj(self.activation(self.up_proj(x)))`,
  GatedMLP: `class GatedMLP(nn.Module):
    """(activation(x G) * (x U)) D (Shazeer 2020)."""

    def __init__(self, s, activation, bias, **on):
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.gate_proj = nn.Linear(s["width"], s["hidden"], bias=bias, **on)
        self.up_proj = nn.Linear(s["width"], s["hidden"], bias=bias, **on)
        self.down_proj = nn.Linear(s["hidden"], s["width"], bias=bias, **on)

    def forward(self, x):
        return self.down_proj(self.activation(self.gate_proj(x)) * self.up_proj(x))`,
  Experts: `class Experts(nn.Module):
    """A mixture: every row goes to the best \`top\` of \`count\` blocks (Shazeer et al. 2017)."""

    def __init__(self, s, activation, gated, renormalise, balance, **on):
        super().__init__()
        self.s, self.activation = s, ACTIVATIONS[activation]
        self.renormalise, self.balance = renormalise, balance
        E, C, H = s["count"], s["width"], s["hidden"]
        self.router = nn.Linear(C, E, bias=False, **on)
        self.gate_proj = nn.Parameter(torch.zeros(E, H, C, **on)) if gated else None
        self.up_proj = nn.Parameter(torch.zeros(E, H, C, **on))
        self.down_proj = nn.Parameter(torch.zeros(E, C, H, **on))

    def forward(self, x, counted=None):
        rows = x.flatten(0, -2)
        logits = self.router(rows)
        best, chosen = logits.topk(self.s["top"], dim=-1)
        shares = logits.softmax(-1)
        weights = best.softmax(-1) if self.renormalise else shares.gather(-1, chosen)
        out = torch.zeros_like(rows)
        for expert in range(self.s["count"]):
            row, place = (chosen == expert).nonzero(as_tuple=True)
            out = out.index_add(0, row, self.work(rows[row], expert) * weights[row, place, None])
        counted = slice(None) if counted is None else counted
        sent = F.one_hot(chosen, self.s["count"]).to(x.dtype)[counted].sum((0, 1))
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(sent)  # the load is that of all processes, however many there are
        share = sent / sent.sum().clamp(min=1)
        return out.view_as(x), self.balance * self.s["count"] * (share * shares[counted].mean(0)).sum()

    def work(self, x, expert):
        up = F.linear(x, self.up_proj[expert])
        gate = up if self.gate_proj is None else F.linear(x, self.gate_proj[expert])
        bent = self.activation(gate) if self.gate_proj is None else self.activation(gate) * up
        return F.linear(bent, self.down_proj[expert])`,
  Projection: `class Projection(nn.Linear):
    """x W + b, inside of a layer."""

    def __init__(self, s, bias, **on):
        super().__init__(s["width"], s["out"], bias=bias, **on)`,
} as const;

export type ClassName = Exclude<keyof typeof texts, "activations">;

const classOf = {
  layernorm: "LayerNorm",
  rmsnorm: "RMSNorm",
  attention: "Attention",
  mlp: "MLP",
  swiglu: "GatedMLP",
  geglu: "GatedMLP",
  experts: "Experts",
  linear: "Projection",
} as const satisfies Record<PartKind, ClassName>;

/** The text of each class that one of these parts needs. */
export function classTexts(parts: ReadonlySet<PartKind>): string[] {
  const used = new Set<ClassName>([...parts].map((part) => classOf[part]));
  const bends = (["MLP", "GatedMLP", "Experts"] as const).some((name) => used.has(name));
  return Object.entries(texts).flatMap(([name, text]) =>
    (name === "activations" ? bends : used.has(name as ClassName)) ? [text] : [],
  );
}
