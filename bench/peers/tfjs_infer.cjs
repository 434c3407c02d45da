// tfjs-node's side of the inference benchmark: the generator on core ops, batch norm folded into the weights by hand (here:
// random weights with a bias, which cost the same).
const { createRequire } = require('node:module');
const { join } = require('node:path');
const peer = createRequire(join(process.env.GANVAS_PEERS, 'package.json'));
const tf = peer('@tensorflow/tfjs-node');

const { batch, size, channels, width } = JSON.parse(process.argv[2]);
const sides = [4];
while (sides[sides.length - 1] < size) sides.push(sides[sides.length - 1] * 2);
const top = width << (sides.length - 2);
const layers = sides.slice(1).map((side, i) => {
  const from = top >> i;
  const to = side === size ? channels : from >> 1;
  return { side, w: tf.randomNormal([4, 4, to, from], 0, 0.02), b: tf.zeros([to]), last: side === size };
});
const first = { w: tf.randomNormal([100, 16 * top], 0, 0.02), b: tf.zeros([16 * top]) };
const z = tf.randomNormal([batch, 100]);

function generate() {
  return tf.tidy(() => {
    let h = tf.reshape(tf.relu(tf.add(tf.matMul(z, first.w), first.b)), [batch, 4, 4, top]);
    for (const { side, w, b, last } of layers) {
      h = tf.add(tf.conv2dTranspose(h, w, [batch, side, side, b.shape[0]], 2, 'same'), b);
      h = last ? tf.tanh(h) : tf.relu(h);
    }
    return h;
  });
}

const emit = (o) => process.stdout.write(`${JSON.stringify(o)}\n`);

async function main() {
  emit({ version: `tfjs ${tf.version_core}` });
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    const ms = [];
    for (let i = 0; i < JSON.parse(line).steps; i++) {
      const began = performance.now();
      const images = generate();
      await images.data();
      images.dispose();
      ms.push(performance.now() - began);
    }
    emit({ ms, rss: process.resourceUsage().maxRSS / 1024 });
  }
}

main();
