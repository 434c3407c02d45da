// ganvas's side of the benchmark of fused blocks. With `composite` the same block is computed from separate public ops, as it
// would be without fusion.

import {
  add,
  batchNorm,
  conv2d,
  convTranspose2d,
  leakyRelu,
  matmul,
  mean,
  mul,
  nn,
  noGrad,
  ones,
  optim,
  randn,
  relu,
  reshape,
  rsqrt,
  scope,
  setThreads,
  softmax,
  sub,
  sum,
  sync,
  type Tensor,
  valueAndGrad,
  variance,
  version,
  zeros,
} from '../../src/index.js';
import { serve, timeEach } from './worker.js';

const {
  block,
  composite = false,
  threads,
}: { block: string; composite?: boolean; threads: number } = JSON.parse(process.argv[2]);
setThreads(threads);

const image = (n: number, side: number, channels: number) => randn([n, side, side, channels]);

/** Batch normalisation and an activation, each of its steps an op of its own. */
function composedNorm(x: Tensor, gamma: Tensor, beta: Tensor, activate: (x: Tensor) => Tensor): Tensor {
  const centred = sub(x, mean(x, [0, 1, 2], true));
  const scale = rsqrt(add(variance(x, [0, 1, 2], true), 1e-5));
  return activate(add(mul(mul(centred, scale), gamma), beta));
}

/** A pass that takes the gradients of sum(f()) by `by`. */
function differentiated(f: () => Tensor, by: Tensor[]): () => void {
  return () => {
    valueAndGrad(() => sum(f()), by);
  };
}

function convNormAct(transposed: boolean): () => void {
  const [from, to] = transposed ? [128, 64] : [64, 128];
  const x = image(64, transposed ? 16 : 32, from);
  const w = transposed ? randn([from, 4, 4, to]) : randn([to, 4, 4, from]);
  const [gamma, beta] = [ones([to]), zeros([to])];
  const convolve = () => (transposed ? convTranspose2d : conv2d)(x, w, { stride: 2, padding: 1 });
  const leaky = (y: Tensor) => leakyRelu(y, 0.2);
  const f = () =>
    composite
      ? composedNorm(convolve(), gamma, beta, leaky)
      : batchNorm(convolve(), gamma, beta, { activation: 'leakyRelu', slope: 0.2 });
  return differentiated(f, [x, w, gamma, beta]);
}

function folded(): () => void {
  const geometry = { stride: 2, padding: 1, bias: false } as const;
  const network = new nn.Sequential(
    new nn.ConvTranspose2d(128, 64, 4, geometry),
    new nn.BatchNorm2d(64, { activation: 'leakyRelu', slope: 0.2 }),
  ).eval();
  const inference = composite ? network : nn.foldBatchNorm(network);
  const x = image(64, 16, 128);
  return () => {
    noGrad(() => inference.forward(x));
  };
}

function biasAct(): () => void {
  const x = image(32, 32, 128);
  const b = zeros([128]);
  const gain = Math.SQRT2;
  const layer = { activation: 'leakyRelu', slope: 0.2, gain } as const;
  return differentiated(
    () => (composite ? mul(leakyRelu(add(x, b), 0.2), gain) : x.biasAct(b, layer)),
    [x, b],
  );
}

function normAct(): () => void {
  const x = image(32, 32, 128);
  const [gamma, beta] = [ones([128]), zeros([128])];
  const f = () =>
    composite ? composedNorm(x, gamma, beta, relu) : batchNorm(x, gamma, beta, { activation: 'relu' });
  return differentiated(f, [x, gamma, beta]);
}

function residual(): () => void {
  const x = image(32, 32, 128);
  const layers = [0, 1].map(() => new nn.Conv2d(128, 128, 3, { padding: 1, activation: 'none' }));
  const f = () =>
    add(
      x,
      layers.reduce((h, layer) => layer.forward(relu(h)), x),
    );
  return differentiated(f, [x, ...layers.flatMap((layer) => layer.parameters())]);
}

function attention(): () => void {
  const c = 256;
  const x = image(16, 32, c);
  if (!composite) {
    const layer = new nn.SelfAttention2d(c, { pool: false, bias: true });
    return differentiated(() => layer.forward(x), [x, ...layer.parameters()]);
  }
  const [f, g, h] = [c / 8, c / 8, c / 2].map((n) => new nn.Conv2d(c, n, 1));
  const v = new nn.Conv2d(c / 2, c, 1);
  const gamma = ones([]);
  const rows = (y: Tensor) => reshape(y, [16, 1024, -1]);
  const attend = () => {
    const map = softmax(matmul(rows(f.forward(x)), rows(g.forward(x)), { transB: true }), -1);
    return add(mul(v.forward(reshape(matmul(map, rows(h.forward(x))), [16, 32, 32, -1])), gamma), x);
  };
  return differentiated(attend, [x, gamma, ...[f, g, h, v].flatMap((layer) => layer.parameters())]);
}

function product(): () => void {
  const [a, b] = [randn([1024, 1024]), randn([1024, 1024])];
  return () => {
    matmul(a, b);
  };
}

const tenMillion = () => Array.from({ length: 10 }, () => randn([1000, 1000]));

function adam(): () => void {
  const optimizer = new optim.Adam(tenMillion(), { lr: 2e-4, betas: [0.5, 0.999] });
  const grads = tenMillion();
  return () => optimizer.step(grads);
}

/** A module of ten matrices, which is what the moving average takes. */
class Matrices extends nn.Module {
  readonly weights = Array.from({ length: 10 }, () => new nn.Linear(1000, 1000, { bias: false }));

  override children(): [string, nn.Module][] {
    return this.weights.map((layer, i) => [String(i), layer]);
  }

  forward(x: Tensor): Tensor {
    return x;
  }
}

function average(): () => void {
  const ema = new optim.EMA(new Matrices(), { decay: 0.999 });
  let step = 0;
  return () => ema.update(++step);
}

function clip(): () => void {
  const grads = tenMillion();
  return () => {
    optim.clipGradNorm(grads, 1);
  };
}

const blocks: Record<string, () => () => void> = {
  'conv-norm-act': () => convNormAct(false),
  'convT-norm-act': () => convNormAct(true),
  folded,
  'bias-act': biasAct,
  'norm-act': normAct,
  residual,
  attention,
  matmul: product,
  adam,
  ema: average,
  clip,
};

const pass = blocks[block]();
await serve(`ganvas ${version}`, (n) =>
  timeEach(n, () =>
    scope(async () => {
      pass();
      await sync();
    }),
  ),
);
