// onnxruntime-node's side of the inference benchmark: the generator as PyTorch exports it, all graph optimisations on.
const { execFileSync } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { createRequire } = require('node:module');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const peers = createRequire(join(process.env.GANVAS_PEERS, 'package.json'));
const ort = peers('onnxruntime-node');

const work = process.argv[2];
const { batch, threads } = JSON.parse(work);
const emit = (o) => process.stdout.write(`${JSON.stringify(o)}\n`);

async function main() {
  if (!process.env.GANVAS_PYTHON) throw new Error('the model is exported by PyTorch: set GANVAS_PYTHON');
  const folder = mkdtempSync(join(tmpdir(), 'ganvas-onnx-'));
  const file = join(folder, 'generator.onnx');
  execFileSync(process.env.GANVAS_PYTHON, [join(__dirname, 'torch_onnx.py'), work, file], {
    stdio: 'ignore',
  });
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: threads,
    graphOptimizationLevel: 'all',
  });
  rmSync(folder, { recursive: true });
  const z = Float32Array.from({ length: batch * 100 }, () => Math.random() * 2 - 1);
  const feeds = { [session.inputNames[0]]: new ort.Tensor('float32', z, [batch, 100, 1, 1]) };
  emit({ version: `onnxruntime-node ${ort.env.versions.node}` });
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    const ms = [];
    for (let i = 0; i < JSON.parse(line).steps; i++) {
      const began = performance.now();
      await session.run(feeds);
      ms.push(performance.now() - began);
    }
    emit({ ms, rss: process.resourceUsage().maxRSS / 1024 });
  }
}

main();
