// Sampling of images at given places, and the places of an affine map: spatial transformers (Jaderberg et al. 2015) and
// augmentation. The first gradients, by image and by places, are kernels; higher orders gather the pixels by index.

import { GanvasError } from '../../errors.js';
import { apply, defineFused, native, type Sample, upload } from '../define.js';
import { scope } from '../scope.js';
import { assertTensor, type MethodsOf, methods, type Tensor } from '../tensor.js';
import { add, clamp, maximum, minimum, mul, sub } from './binary.js';
import { greaterEqual, less, lessEqual, where } from './compare.js';
import { gather } from './gather.js';
import { sum } from './reduce.js';
import { reshape, slice, unsqueeze } from './shape.js';
import { abs, cast, floor, round } from './unary.js';
import { assertImages, perAxis } from './window.js';

const gridModes = ['bilinear', 'nearest'] as const;
const paddingModes = ['zeros', 'border', 'reflection'] as const;

interface GridAttrs {
  mode: (typeof gridModes)[number];
  paddingMode: (typeof paddingModes)[number];
  alignCorners: boolean;
}

export type GridSampleOptions = Partial<GridAttrs>;

const encode = (a: GridAttrs): number[] => [
  gridModes.indexOf(a.mode),
  paddingModes.indexOf(a.paddingMode),
  Number(a.alignCorners),
];

/** Reflected between low and low + span until inside. */
function reflected(p: Tensor, low: number, span: number): Tensor {
  if (span === 0) return mul(p, 0);
  const inside = abs(sub(p, low));
  const flips = floor(mul(inside, 1 / span));
  const rest = sub(inside, mul(flips, span));
  const odd = sub(flips, mul(floor(mul(flips, 0.5)), 2));
  return add(add(mul(rest, sub(1, mul(odd, 2))), mul(odd, span)), low);
}

/** Places of the grid along one axis, in pixels. */
function places(g: Tensor, size: number, { paddingMode, alignCorners }: GridAttrs): Tensor {
  const scale = alignCorners ? (size - 1) / 2 : size / 2;
  let p = add(mul(g, scale), (size - 1) / 2);
  if (paddingMode === 'reflection') p = alignCorners ? reflected(p, 0, size - 1) : reflected(p, -0.5, size);
  if (paddingMode !== 'zeros') p = minimum(maximum(p, 0), size - 1);
  return where(less(abs(p), 1e9), p, -100);
}

/** x's pixels at whole rows and columns, zeros outside: f32 rows and columns [N, OH, OW] → [N, OH, OW, C]. */
function pixels(x: Tensor, rows: Tensor, columns: Tensor): Tensor {
  const [n, height, width, channels] = x.shape;
  const inside = (p: Tensor, size: number) => mul(greaterEqual(p, 0), lessEqual(p, size - 1));
  const whole = (p: Tensor, size: number) => cast(clamp(p, 0, size - 1), 'i32');
  const images = upload(
    Int32Array.from({ length: n }, (_, i) => i * height * width),
    [n, 1, 1],
    'i32',
  );
  const index = add(add(mul(whole(rows, height), width), whole(columns, width)), images);
  const found = gather(reshape(x, [n * height * width, channels]), index);
  const seen = mul(inside(rows, height), inside(columns, width));
  return mul(found, unsqueeze(cast(seen, 'f32'), 3));
}

function sampled(x: Tensor, grid: Tensor, attrs: GridAttrs): Tensor {
  const [n, h, w] = grid.shape;
  const along = (axis: number, size: number) =>
    places(reshape(slice(grid, [0, 0, 0, axis], [n, h, w, 1]), [n, h, w]), size, attrs);
  const [px, py] = [along(0, x.shape[2]), along(1, x.shape[1])];
  if (attrs.mode === 'nearest') {
    // A place has no influence on the nearest pixel; the product only makes the zero gradient reach the grid.
    return add(pixels(x, round(py), round(px)), unsqueeze(mul(add(sub(px, px), sub(py, py)), 0), 3));
  }
  const [left, top] = [floor(px), floor(py)];
  const [tx, ty] = [unsqueeze(sub(px, left), 3), unsqueeze(sub(py, top), 3)];
  const row = (down: number) => {
    const line = add(top, down);
    return add(mul(pixels(x, line, left), sub(1, tx)), mul(pixels(x, line, add(left, 1)), tx));
  };
  return add(mul(row(0), sub(1, ty)), mul(row(1), ty));
}

const gridSampleOp = defineFused<GridAttrs>({
  name: 'gridSample',
  run: (inputs, attrs) => native('gridSample', inputs, encode(attrs)),
  vjp: ({ inputs: [x, grid], attrs, needs }, gy) => [
    needs[0] ? native('gridInputGrad', [gy, grid], [...encode(attrs), x.shape[1], x.shape[2]])[0] : undefined,
    needs[1] ? native('gridPlaceGrad', [gy, x, grid], encode(attrs))[0] : undefined,
  ],
  fallback: ([x, grid], attrs) => {
    const y = sampled(x, grid, attrs);
    return x.dtype === 'f32' ? y : cast(y, x.dtype);
  },
  samples: () => {
    const of = (
      x: number[],
      out: [number, number],
      attrs: Partial<GridAttrs> = {},
      reach = 1.4,
    ): Sample<GridAttrs> => {
      const full: GridAttrs = { mode: 'bilinear', paddingMode: 'zeros', alignCorners: false, ...attrs };
      const kinks = [x[1], x[2]].flatMap((n) => kinksOf(n, full));
      return {
        inputs: [{ shape: x }, { shape: [x[0], ...out, 2], lo: -reach, hi: reach, avoid: kinks }],
        attrs: full,
      };
    };
    return [
      ...paddingModes.flatMap((paddingMode) =>
        [false, true].map((alignCorners) => of([2, 2, 3, 2], [2, 3], { paddingMode, alignCorners })),
      ),
      ...paddingModes.map((paddingMode) => of([1, 3, 2, 3], [3, 2], { mode: 'nearest', paddingMode })),
      of([1, 3, 2, 1], [4, 1], { paddingMode: 'reflection' }, 3.3),
      of([1, 1, 1, 2], [2, 2], { paddingMode: 'border', alignCorners: true }),
      of([0, 3, 3, 2], [2, 2]),
      of([1, 3, 3, 2], [0, 2]),
      { ...of([2, 5, 4, 37], [3, 5]), gradient: false },
      { ...of([3, 8, 9, 80], [6, 7], { paddingMode: 'reflection' }, 2.5), gradient: false },
    ];
  },
});

/** Grid numbers at which an axis of n pixels switches from pixel to pixel, or meets the border. */
function kinksOf(n: number, { mode, alignCorners }: GridAttrs): number[] {
  const result: number[] = [];
  for (let p = -4 * n; p <= 4 * n; p++) {
    for (const half of [0, 0.5]) {
      if (half === 0.5 && mode === 'bilinear' && p !== -1 && p !== n - 1) continue;
      const at = p + half;
      result.push(alignCorners ? (n > 1 ? (2 * at) / (n - 1) - 1 : 0) : (2 * at + 1) / n - 1);
    }
  }
  return result;
}

/**
 * Reads the image at the places of a grid (torch.nn.functional.grid_sample): y[n, i, j] = x at grid[n, i, j] = (x, y),
 * with (−1, −1) the top left and (1, 1) the bottom right: of the image's area, or, with `alignCorners`, of its corner
 * pixels' centres.
 *
 * x [N, H, W, C], grid [N, H', W', 2] → [N, H', W', C]; differentiable by both. Between pixels 'bilinear' (default) or
 * 'nearest' (ties to even); outside zeros, the nearest pixel ('border') or the mirrored image ('reflection').
 * Throws ERR_SHAPE where grid does not fit x, ERR_ARGUMENT for unknown modes.
 */
export function gridSample(x: Tensor, grid: Tensor, options: GridSampleOptions = {}): Tensor {
  assertImages('gridSample', x, 2);
  assertTensor(grid, 'gridSample: grid');
  const { mode = 'bilinear', paddingMode = 'zeros', alignCorners = false } = options;
  if (!gridModes.includes(mode) || !paddingModes.includes(paddingMode)) {
    throw new GanvasError(
      'ERR_ARGUMENT',
      `gridSample: mode must be one of ${gridModes.join(', ')} and paddingMode one of ${paddingModes.join(', ')}, ` +
        `got ${String(mode)} and ${String(paddingMode)}`,
    );
  }
  return apply(gridSampleOp, [x, grid], { mode, paddingMode, alignCorners });
}

/** The numbers of a grid along an axis of n pixels: pixel centres. */
function centres(n: number, alignCorners: boolean): number[] {
  const last = n > 1 ? n - 1 : 1;
  return Array.from({ length: n }, (_, i) =>
    alignCorners ? (n > 1 ? (2 * i) / last - 1 : 0) : (2 * i + 1) / n - 1,
  );
}

/**
 * The grid of an affine map (torch.nn.functional.affine_grid): grid[n, i, j] = theta[n] · (x_j, y_i, 1), x_j and y_i the
 * centres of the result's pixels in [−1, 1].
 *
 * theta [N, 2, 3] → [N, height, width, 2], for gridSample with the same `alignCorners`. Throws ERR_SHAPE unless theta
 * fits, ERR_ARGUMENT for an impossible size.
 */
export function affineGrid(theta: Tensor, size: readonly [number, number], alignCorners = false): Tensor {
  assertTensor(theta, 'affineGrid: theta');
  if (theta.rank !== 3 || theta.shape[1] !== 2 || theta.shape[2] !== 3) {
    throw new GanvasError('ERR_SHAPE', `affineGrid: theta must be [N, 2, 3], got [${theta.shape}]`);
  }
  const [height, width] = perAxis('affineGrid', 'size', size, 2, 0);
  const [xs, ys] = [centres(width, alignCorners), centres(height, alignCorners)];
  return scope(() => {
    const base = upload(
      Float32Array.from(ys.flatMap((y) => xs.flatMap((x) => [x, y, 1]))),
      [height, width, 1, 3],
      'f32',
    );
    // Not a matrix product, which a run in bf16 would round: a place needs its digits.
    return sum(mul(base, reshape(theta, [theta.shape[0], 1, 1, 2, 3])), 4);
  });
}

const table = { gridSample } as const;
methods(table);

declare module '../tensor.js' {
  interface Tensor extends MethodsOf<typeof table> {}
}
