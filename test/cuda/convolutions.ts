// Every convolution that training steps of the registered models make, at their default sizes, as lines for
// native/cuda/deviceless/engines.cpp. Steps are recorded and not run, so that the list costs little and is never out of
// date.

import { models } from '../../src/models/registry.js';
import { addon } from '../../src/native.js';
import { valueAndGrad } from '../../src/tensor/autograd.js';
import { type OpSpec, opTable } from '../../src/tensor/define.js';
import type { ActivationAttrs } from '../../src/tensor/ops/bias.js';
import type { ConvGeometry } from '../../src/tensor/ops/conv.js';
import { randint, uniform } from '../../src/tensor/ops/index.js';
import { type Precision, withPrecision } from '../../src/tensor/precision.js';
import { manualSeed } from '../../src/tensor/random-state.js';
import { scope } from '../../src/tensor/scope.js';
import type { Tensor } from '../../src/tensor/tensor.js';

type Kind = 'forward' | 'inputGrad' | 'weightGrad';
type Attributes = ConvGeometry & Partial<ActivationAttrs>;

const kinds: Record<string, Kind> = {
  conv2d: 'forward',
  conv2dAct: 'forward',
  convInputGrad: 'inputGrad',
  convInputGradAct: 'inputGrad',
  convWeightGrad: 'weightGrad',
};

/** A convolution as the program reads it; cuDNN may use TF32 for f32. */
function line(name: string, inputs: readonly Tensor[], [output]: readonly Tensor[], g: Attributes): string {
  const kind = kinds[name];
  const [first, second] = inputs;
  const [x, w, y] = {
    forward: [first, second, output],
    inputGrad: [output, second, first],
    weightGrad: [first, output, second],
  }[kind].map(({ shape }) => shape);
  // Of an op without an epilogue the attributes may still hold that of the op whose gradient it is.
  const finish = (name.endsWith('Act') && { none: 'bias', relu: 'relu' }[String(g.activation)]) || 'none';
  const numbers = [x[0], x[3], w[0], g.groups, ...x.slice(1, 3), ...w.slice(1, 3), ...y.slice(1, 3)];
  numbers.push(g.strideH, g.strideW, g.dilationH, g.dilationW, g.padTop, g.padLeft, g.padBottom, g.padRight);
  const dtype = [first, second].some((t) => t.dtype === 'bf16') ? 'bf16' : 'f32';
  return [kind, dtype, 'tf32', finish, 2, ...numbers].join(' ');
}

/** Calls fn and adds the convolutions that it makes. */
function noteConvolutions(lines: Set<string>, fn: () => void): void {
  const specs = Object.keys(kinds).map((name) => opTable.get(name) as unknown as OpSpec<Attributes>);
  const originals = specs.map(({ run }) => run);
  for (const [i, spec] of specs.entries()) {
    spec.run = (inputs, attrs) => {
      const outputs = originals[i](inputs, attrs);
      lines.add(line(spec.name, inputs, outputs, attrs));
      return outputs;
    };
  }
  try {
    fn();
  } finally {
    for (const [i, spec] of specs.entries()) spec.run = originals[i];
  }
}

export interface Images {
  height: number;
  width: number;
  channels: number;
  classes: number;
}

/** The convolutions of one update of every phase of a model with default options. */
export function convolutionsOf(model: string, dims: Images, precision: Precision): Set<string> {
  const lines = new Set<string>();
  const { schema, build } = models[model];
  const config = schema.resolve({}, 'convolutions');
  const size = Number(config.batch);
  manualSeed(1);
  scope(() => {
    const { networks, phases, optimizers } = build(config, dims);
    const native = addon();
    for (const phase of phases) {
      const parameters = phase.train.flatMap((name) => optimizers[name].parameters);
      native.beginCapture();
      try {
        noteConvolutions(lines, () =>
          scope(() => {
            const images = uniform([size, dims.height, dims.width, dims.channels], { low: -1, high: 1 });
            const labels = randint([size], 0, dims.classes);
            const batch = { images, labels, size };
            withPrecision(precision, () => valueAndGrad(() => phase.loss(batch, networks), parameters));
          }),
        );
      } finally {
        native.cancelCapture();
      }
    }
  });
  return lines;
}
