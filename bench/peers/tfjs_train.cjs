// tfjs's side of the training benchmark, on the backend of the case: tensorflow (tfjs-node), wasm or cpu. Same step as
// torch_train.py; written on core ops, because tf.layers would train whole models and waste weight gradients.
const { createRequire } = require('node:module');
const { join } = require('node:path');
const peer = createRequire(join(process.env.GANVAS_PEERS, 'package.json'));
const config = JSON.parse(process.argv[2]);
const tf = peer(config.backend === 'tensorflow' ? '@tensorflow/tfjs-node' : '@tensorflow/tfjs');
if (config.backend === 'wasm') peer('@tensorflow/tfjs-backend-wasm');

const { batch } = config;
const latent = 100;
const variable = (shape, std = 0.02) => tf.variable(tf.randomNormal(shape, 0, std));
const lrelu = (x) => tf.leakyRelu(x, 0.2);

function batchNorm(channels) {
  const gamma = tf.variable(tf.ones([channels]));
  const beta = tf.variable(tf.zeros([channels]));
  return {
    variables: [gamma, beta],
    apply(x) {
      const { mean, variance } = tf.moments(x, [...Array(x.rank - 1).keys()]);
      return tf.batchNorm(x, mean, variance, beta, gamma, 1e-5);
    },
  };
}

const sequence = (layers) => ({
  variables: layers.flatMap((l) => l.variables ?? []),
  apply: (x) => layers.reduce((h, l) => l.apply(h), x),
});
const activation = (f) => ({ apply: f });

function dense(a, b) {
  const w = variable([a, b]);
  const bias = tf.variable(tf.zeros([b]));
  return { variables: [w, bias], apply: (x) => tf.add(tf.matMul(x, w), bias) };
}

function perceptron(sizes, withNorm) {
  const layers = [];
  for (let i = 0; i + 2 < sizes.length; i++) {
    layers.push(dense(sizes[i], sizes[i + 1]));
    if (withNorm && i > 0) layers.push(batchNorm(sizes[i + 1]));
    layers.push(activation(lrelu));
  }
  return [...layers, dense(sizes.at(-2), sizes.at(-1))];
}

function conv(inC, outC, k, stride, pad) {
  const w = variable([k, k, inC, outC]);
  const padding = [
    [0, 0],
    [pad, pad],
    [pad, pad],
    [0, 0],
  ];
  return { variables: [w], apply: (x) => tf.conv2d(pad ? tf.pad(x, padding) : x, w, stride, 'valid') };
}

function bias(channels) {
  const b = tf.variable(tf.zeros([channels]));
  return { variables: [b], apply: (x) => tf.add(x, b) };
}

// k4 s2 p1 is the full transposed convolution without its border; an odd size keeps one pixel more at the end.
function convTranspose(inC, outC, k, stride, size) {
  const w = variable([k, k, outC, inC]);
  const transposed = (x, out, padding) =>
    tf.conv2dTranspose(x, w, [x.shape[0], out, out, outC], stride, padding);
  const apply = (x) => {
    if (stride === 1) return transposed(x, size, 'valid');
    if (size === 2 * x.shape[1]) return transposed(x, size, 'same');
    return tf.slice(transposed(x, 2 * x.shape[1] + 2, 'valid'), [0, 1, 1, 0], [-1, size, size, -1]);
  };
  return { variables: [w], apply };
}

function dcgan(size, channels, width) {
  const sizes = [size, Math.floor(size / 2)];
  while (Math.floor(sizes.at(-1) / 2) >= 3) sizes.push(Math.floor(sizes.at(-1) / 2));
  const stages = sizes.length - 1;
  const start = sizes[stages];
  const top = width * 2 ** (stages - 1);
  const g = [convTranspose(latent, top, start, 1, start), batchNorm(top), activation(tf.relu)];
  for (let i = 0; i < stages - 1; i++) {
    const c = top / 2 ** (i + 1);
    g.push(convTranspose(c * 2, c, 4, 2, sizes[stages - 1 - i]), batchNorm(c), activation(tf.relu));
  }
  g.push(convTranspose(width, channels, 4, 2, size), bias(channels), activation(tf.tanh));
  const d = [conv(channels, width, 4, 2, 1), bias(width), activation(lrelu)];
  for (let i = 0; i < stages - 1; i++) {
    const c = width * 2 ** i;
    d.push(conv(c, c * 2, 4, 2, 1), penalised ? bias(c * 2) : batchNorm(c * 2), activation(lrelu));
  }
  d.push(
    conv(top, 1, start, 1, 0),
    bias(1),
    activation((x) => tf.reshape(x, [x.shape[0], 1])),
  );
  return [sequence(g), sequence(d)];
}

const perceptrons = config.model === 'gan';
const penalised = config.model === 'wgan-gp';
let G;
let D;
let real;
let optG;
let optD;
const noise = () => tf.randomNormal(perceptrons ? [batch, latent] : [batch, 1, 1, latent]);

// Made once the backend is there.
function build() {
  [G, D] = perceptrons
    ? [
        sequence([...perceptron([latent, 256, 512, 1024, 784], true), activation(tf.tanh)]),
        sequence(perceptron([784, 512, 256, 1], false)),
      ]
    : dcgan(config.size, config.channels, config.width);
  real = tf.randomUniform(
    perceptrons ? [batch, 784] : [batch, config.size, config.size, config.channels],
    -1,
    1,
  );
  [optG, optD] = [0, 1].map(() =>
    penalised ? tf.train.adam(1e-4, 0, 0.9) : tf.train.adam(2e-4, 0.5, 0.999),
  );
}

// 10 E[(|grad D(mix)| - 1)^2]
function penalty(fake) {
  const alpha = tf.randomUniform([batch, 1, 1, 1]);
  const mixed = tf.add(fake, tf.mul(alpha, tf.sub(real, fake)));
  const slope = tf.grad((x) => tf.sum(D.apply(x)))(mixed);
  const norm = tf.sqrt(tf.add(tf.sum(tf.square(tf.reshape(slope, [batch, -1])), 1), 1e-12));
  return tf.mul(tf.mean(tf.square(tf.sub(norm, 1))), 10);
}

const lossOfD = (fake) =>
  penalised
    ? tf.add(tf.sub(tf.mean(D.apply(fake)), tf.mean(D.apply(real))), penalty(fake))
    : tf.add(tf.mean(tf.softplus(tf.neg(D.apply(real)))), tf.mean(tf.softplus(D.apply(fake))));
const lossOfG = (logits) => (penalised ? tf.neg(tf.mean(logits)) : tf.mean(tf.softplus(tf.neg(logits))));

async function step() {
  const fake = tf.tidy(() => G.apply(noise()));
  const d = tf.variableGrads(() => lossOfD(fake), D.variables);
  optD.applyGradients(d.grads);
  const g = tf.variableGrads(() => lossOfG(D.apply(G.apply(noise()))), G.variables);
  optG.applyGradients(g.grads);
  const losses = [(await d.value.data())[0], (await g.value.data())[0]];
  tf.dispose([fake, d, g]);
  return losses;
}

const emit = (o) => process.stdout.write(`${JSON.stringify(o)}\n`);

async function main() {
  await tf.setBackend(config.backend);
  await tf.ready();
  build();
  emit({ version: `tfjs ${tf.version_core}` });
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    const ms = [];
    for (let i = 0; i < JSON.parse(line).steps; i++) {
      const t = performance.now();
      await step();
      ms.push(performance.now() - t);
    }
    emit({ ms, rss: process.resourceUsage().maxRSS / 1024 });
  }
}

main();
