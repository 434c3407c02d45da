// Images from a trained generator: latency of one, throughput of 64. The DCGAN-64 generator in evaluation mode, batch norm
// folded into the weights where the system does it; latents go in and pixels are read back in every step.

import { compare } from './harness.js';
import { ganvas, npmPeer, tfjs, torchFormats } from './peers.js';
import { best, caseTable, fixed, machine, markdown, median, ratio, record, time } from './report.js';
import type { BenchOptions } from './run.js';

export const question =
  'How fast does a generator make images, against onnxruntime-node, PyTorch and tfjs-node?';

const network = { model: 'dcgan', size: 64, channels: 3, width: 64 };
const cases = [
  { title: 'DCGAN-64 generator, one image', batch: 1, warmup: 30, steps: 40 },
  { title: 'DCGAN-64 generator, 64 images', batch: 64, warmup: 5, steps: 8 },
];

export async function run(options: BenchOptions): Promise<void> {
  const { threads } = machine();
  const summary: string[][] = [];
  for (const { title, batch, warmup, steps } of cases) {
    if (options.case && !title.includes(options.case)) continue;
    const work = { ...network, batch, threads };
    const readings = await compare(
      [
        ganvas('ganvas_infer.ts', work),
        npmPeer('onnxruntime-node', 'onnxruntime-node', 'onnx_infer.cjs', work),
        ...torchFormats('torch_infer.py', work),
        tfjs('tensorflow', 'tfjs_infer.cjs', work),
      ],
      { warmup, rounds: options.rounds, steps: options.steps ?? steps },
    );
    console.log(caseTable(title, readings, 'batch'));
    record(options.json, title, readings);
    const [own] = readings;
    const against = (prefix: string) => {
      const peer = best(readings, prefix);
      return peer && !own.missing ? `${time(median(peer.ms))} (${fixed(ratio(peer, own), 2)}×)` : '–';
    };
    const peers = ['onnxruntime', 'PyTorch', 'tfjs-node'].map(against);
    summary.push([title, own.missing ?? `**${time(median(own.ms))}**`, ...peers]);
  }
  console.log(
    markdown(['inference', 'ganvas, ms', 'onnxruntime-node, ms', 'PyTorch, ms', 'tfjs-node, ms'], summary),
  );
}
