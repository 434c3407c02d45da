// Adversarial attacks against PyTorch, on a small smooth classifier; the fixture is made by make/adversarial.py.

import { fgsm, pgd } from '../../src/adversarial/attacks.js';
import { conv2d, matmul, reshape, tanh, tensor } from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { expectClose, fixture, load, type Stored, scoped } from './fixtures.js';

interface Attacks extends Record<'x' | 'w' | 'v' | 'fgsm' | 'fgsmTargeted' | 'pgd' | 'pgdTargeted', Stored> {
  labels: number[];
  targets: number[];
  eps: number;
  step: number;
}
const f = fixture<Attacks>('adversarial');

scoped('single and iterated steps agree, towards a class and away from it', async () => {
  const [x, w, v] = [load(f.x), load(f.w), load(f.v)];
  const model = (at: Tensor) => matmul(reshape(tanh(conv2d(at, w, { padding: 1 })), [x.shape[0], -1]), v);
  const labels = tensor(Int32Array.from(f.labels), [3]);
  const targets = tensor(Int32Array.from(f.targets), [3]);
  const { eps } = f;
  const iterated = { eps, steps: 5, stepSize: f.step };
  await expectClose(fgsm(model, x, labels, { eps }), f.fgsm, 1e-6, 'fgsm');
  await expectClose(fgsm(model, x, targets, { eps, targeted: true }), f.fgsmTargeted, 1e-6, 'targeted fgsm');
  await expectClose(pgd(model, x, labels, iterated), f.pgd, 1e-6, 'pgd');
  const towards = pgd(model, x, targets, { ...iterated, targeted: true });
  await expectClose(towards, f.pgdTargeted, 1e-6, 'targeted pgd');
});
