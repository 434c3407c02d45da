// Training techniques against PyTorch in float64: relativistic objectives, regularisers, and ADA's transforms, which the
// reference composes matrix by matrix.

import { describe, expect } from 'vitest';
import { inOrder, moved, unrotate, unscale, untranslate } from '../../src/augment/geometric.js';
import { type ColourChange, recoloured } from '../../src/augment/recolour.js';
import {
  adversarialLosses,
  HistoricalAverage,
  LeCam,
  orthogonalRegularisation,
} from '../../src/losses/index.js';
import { Conv2d, ConvTranspose2d, Linear } from '../../src/nn/index.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { div, mul, onesLike, sum } from '../../src/tensor/ops/index.js';
import {
  checkDerivatives,
  type Derivatives,
  expectClose,
  fixture,
  load,
  loadAll,
  type Named,
  type Stored,
  scoped,
} from './fixtures.js';

describe('relativistic objectives', () => {
  type Name = 'relativistic' | 'relativisticAverage' | 'relativisticHinge';
  type Case = Derivatives & { loss: Name; side: 'discriminator' | 'generator' };
  for (const { loss, side, ...d } of fixture<Case[]>('relativistic')) {
    const objective = adversarialLosses[loss];
    scoped(`${loss} of the ${side} [${d.inputs.real.shape}] [${d.inputs.fake.shape}]`, () =>
      checkDerivatives(
        ({ real, fake }) =>
          side === 'discriminator'
            ? objective.discriminator(real, fake)
            : objective.generator(fake, undefined, real),
        d,
        1e-6,
      ),
    );
  }
});

describe('regularisers', () => {
  interface Fixture {
    lecam: {
      decay: number;
      steps: { real: Stored; fake: Stored; value: Stored; gradReal: Stored; gradFake: Stored }[];
    };
    history: { theta: Named; value: Stored; grads: Named }[];
    orthogonal: { beta: number; cases: { kind: string; weight: Stored; value: Stored; grad: Stored }[] };
  }
  const { lecam, history, orthogonal } = fixture<Fixture>('regularisers');

  scoped('LeCam over several batches', async () => {
    const regulariser = new LeCam({ decay: lecam.decay });
    for (const [i, step] of lecam.steps.entries()) {
      const [real, fake] = [load(step.real), load(step.fake)];
      const { value, grads } = valueAndGrad(() => regulariser.forward(real, fake), [real, fake]);
      await expectClose(value, step.value, 1e-6, `value ${i}`);
      await expectClose(grads[0], step.gradReal, 1e-6, `gradient by real ${i}`);
      await expectClose(grads[1], step.gradFake, 1e-6, `gradient by fake ${i}`);
    }
  });

  scoped('historical averaging over several steps', async () => {
    const layer = new Linear(2, 3);
    const average = new HistoricalAverage(layer);
    for (const [i, { theta, value, grads }] of history.entries()) {
      layer.loadStateDict(loadAll(theta));
      const found = valueAndGrad(() => average.forward(), [layer.weight, layer.bias!]);
      if (i === 0) {
        // Nothing has passed: neither penalty nor gradient, though the layer has changed since the module was made.
        expect(await found.value.item()).toBe(0);
      }
      await expectClose(found.value, value, 1e-6, `value ${i}`);
      await expectClose(found.grads[0], grads.weight, 1e-6, `gradient by the weight ${i}`);
      await expectClose(found.grads[1], grads.bias, 1e-6, `gradient by the bias ${i}`);
    }
  });

  for (const { kind, weight, value, grad } of orthogonal.cases) {
    scoped(`orthogonal regularisation of a ${kind} [${weight.shape}]`, async () => {
      const [first, kernel, , last] = weight.shape;
      const layer =
        kind === 'linear'
          ? new Linear(weight.shape[1], first, { bias: false })
          : kind === 'conv'
            ? new Conv2d(last, first, [kernel, weight.shape[2]], { bias: false })
            : new ConvTranspose2d(first, last, kernel, { bias: false });
      layer.loadStateDict({ weight: load(weight) });
      const { beta } = orthogonal;
      const found = valueAndGrad(() => orthogonalRegularisation(layer, { beta }), [layer.weight]);
      await expectClose(found.value, value, 1e-6, 'value');
      await expectClose(found.grads[0], grad, 1e-6, 'gradient');
    });
  }
});

describe("ADA's transforms", () => {
  interface Fixture {
    geometric: { parameters: Named; x: Stored; y: Stored; gy: Stored; grad: Stored }[];
    colour: (Derivatives & { parameters: Named })[];
  }
  const { geometric, colour } = fixture<Fixture>('augmentations');

  for (const { parameters, x, y, gy, grad } of geometric) {
    scoped(`geometric [${x.shape}]`, async () => {
      const u = loadAll(parameters);
      const inverse = inOrder([
        unscale(u.mirror, onesLike(u.mirror)),
        unscale(u.scale, u.scale),
        unrotate(u.turn),
        unscale(u.anisotropy, div(1, u.anisotropy)),
        unrotate(u.turnAfter),
        untranslate(u.x, u.y),
      ]);
      const images = load(x);
      const found = valueAndGrad(() => {
        const result = moved(images, inverse);
        return { loss: sum(mul(result, load(gy))), result };
      }, [images]);
      // A place between two pixels has few digits after the point in f32.
      await expectClose(found.value.result, y, 1e-5, 'y');
      await expectClose(found.grads[0], grad, 1e-5, 'gradient');
    });
  }

  for (const { parameters, ...d } of colour) {
    scoped(`colour [${d.inputs.x.shape}]`, () =>
      checkDerivatives(({ x }) => recoloured(x, loadAll(parameters) as unknown as ColourChange), d, 1e-6),
    );
  }
});
