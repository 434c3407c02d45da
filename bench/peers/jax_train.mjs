// jax-js's side of the training benchmark: the perceptron GAN on its WebAssembly backend, compiled with jit. Same step as
// torch_train.py. Arrays are reference counted: `.ref` keeps one that is used again.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const peers = createRequire(join(process.env.GANVAS_PEERS, 'package.json'));
const jax = await import(pathToFileURL(peers.resolve('@jax-js/jax')).href);
const { numpy: np, nn, random, tree } = jax;
jax.defaultDevice('wasm');
const { batch } = JSON.parse(process.argv[2]);

let seed = 0;
const normal = (shape, std = 1) => random.normal(random.key(seed++), shape).mul(std);
const dense = (a, b) => ({ w: normal([a, b], 0.02), b: np.zeros([b]) });
const norm = (n) => ({ gamma: np.ones([n]), beta: np.zeros([n]) });
const lrelu = (x) => nn.leakyRelu(x, 0.2);
const apply = (layer, x) => np.matmul(x, layer.w).add(layer.b);

function batchNorm({ gamma, beta }, x) {
  const mean = np.mean(x.ref, 0);
  const centred = x.sub(mean);
  const variance = np.mean(np.square(centred.ref), 0);
  return centred
    .div(np.sqrt(variance.add(1e-5)))
    .mul(gamma)
    .add(beta);
}

const generator = (p, z) => {
  let h = lrelu(apply(p.l1, z));
  h = lrelu(batchNorm(p.n2, apply(p.l2, h)));
  h = lrelu(batchNorm(p.n3, apply(p.l3, h)));
  return np.tanh(apply(p.l4, h));
};
const discriminator = (p, x) => apply(p.l3, lrelu(apply(p.l2, lrelu(apply(p.l1, x)))));

let g = {
  l1: dense(100, 256),
  l2: dense(256, 512),
  n2: norm(512),
  l3: dense(512, 1024),
  n3: norm(1024),
  l4: dense(1024, 784),
};
let d = { l1: dense(784, 512), l2: dense(512, 256), l3: dense(256, 1) };
const zeros = (p) => tree.map((x) => np.zeros(x.shape), p);
let [mg, vg, md, vd] = [zeros(g), zeros(g), zeros(d), zeros(d)];
let t = 0;

const lossD = (p, real, fake) =>
  np
    .mean(nn.softplus(discriminator(tree.ref(p), real).neg()))
    .add(np.mean(nn.softplus(discriminator(p, fake))));
const lossG = (p, dp, z) => np.mean(nn.softplus(discriminator(dp, generator(p, z)).neg()));
const gradD = jax.jit(jax.valueAndGrad(lossD));
const gradG = jax.jit(jax.valueAndGrad(lossG));
const fakeOf = jax.jit(generator);
const adam = jax.jit((p, m, v, grad, c1, c2) => {
  const m1 = m.mul(0.5).add(grad.ref.mul(0.5));
  const v1 = v.mul(0.999).add(np.square(grad).mul(0.001));
  const stepped = p.sub(
    m1.ref
      .mul(c1)
      .div(np.sqrt(v1.ref.mul(c2)).add(1e-8))
      .mul(2e-4),
  );
  return [stepped, m1, v1];
});

function update(p, m, v, grads) {
  const [c1, c2] = [1 / (1 - 0.5 ** t), 1 / (1 - 0.999 ** t)];
  const out = [{}, {}, {}];
  for (const layer of Object.keys(p)) {
    for (const o of out) o[layer] = {};
    for (const key of Object.keys(p[layer])) {
      const found = adam(p[layer][key], m[layer][key], v[layer][key], grads[layer][key], c1, c2);
      found.forEach((x, i) => {
        out[i][layer][key] = x;
      });
    }
  }
  return out;
}

const real = random.uniform(random.key(1000), [batch, 784]).mul(2).sub(1);
async function step() {
  t += 1;
  const fake = fakeOf(tree.ref(g), normal([batch, 100]));
  const [valueD, gradsD] = gradD(tree.ref(d), real.ref, fake);
  [d, md, vd] = update(d, md, vd, gradsD);
  const [valueG, gradsG] = gradG(tree.ref(g), tree.ref(d), normal([batch, 100]));
  [g, mg, vg] = update(g, mg, vg, gradsG);
  await Promise.all([valueD.data(), valueG.data()]);
}

const emit = (o) => process.stdout.write(`${JSON.stringify(o)}\n`);
const manifest = join(process.env.GANVAS_PEERS, 'node_modules/@jax-js/jax/package.json');
const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
emit({ version: `jax-js ${version}` });
for await (const line of createInterface({ input: process.stdin })) {
  const ms = [];
  for (let i = 0; i < JSON.parse(line).steps; i++) {
    const began = performance.now();
    await step();
    ms.push(performance.now() - began);
  }
  emit({ ms, rss: process.resourceUsage().maxRSS / 1024 });
}
