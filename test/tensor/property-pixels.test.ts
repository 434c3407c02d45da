// What moves and filters pixels, on random shapes, options and layouts, against definitions written out over scalars.

import * as fc from 'fast-check';
import { describe } from 'vitest';
import { pad, pixelShuffle, pixelUnshuffle, resize, upfirdn2d } from '../../src/tensor/ops/index.js';
import type { Tensor } from '../../src/tensor/tensor.js';
import { build, type Nd, offset } from '../reference/nd.js';
import { sizeUpTo } from './arbitrary.js';
import { functionProperty } from './properties.js';

const at = (x: Nd, ...index: number[]): number => x.data[offset(x.shape, index)];
const batch = sizeUpTo(3, 0);
const channels = fc.oneof(sizeUpTo(6), fc.constantFrom(16, 19));

describe('pixels moved', () => {
  const sides = fc.record({ n: batch, h: sizeUpTo(5), w: sizeUpTo(6), c: channels, r: sizeUpTo(3) });
  functionProperty(
    'pixelShuffle and pixelUnshuffle',
    sides.chain(({ n, h, w, c, r }) =>
      fc.boolean().map((back) => {
        const [small, big] = [
          [n, h, w, c * r * r],
          [n, h * r, w * r, c],
        ];
        // Element (i, j, c) of the large image is channel c r² + (i mod r) r + j mod r of the small one.
        const channel = (i: number, j: number, k: number) => k * r * r + (i % r) * r + (j % r);
        return {
          shapes: [back ? big : small],
          run: ([x]: Tensor[]) => (back ? pixelUnshuffle(x, r) : pixelShuffle(x, r)),
          want: ([x]: Nd[]) => {
            if (!back) {
              return build(big, ([b, i, j, k]) =>
                at(x, b, Math.floor(i / r), Math.floor(j / r), channel(i, j, k)),
              );
            }
            return build(small, ([b, i, j, k]) => {
              const inner = k % (r * r);
              return at(x, b, i * r + Math.floor(inner / r), j * r + (inner % r), Math.floor(k / (r * r)));
            });
          },
        };
      }),
    ),
  );

  /** Where element i of a bordered axis of n comes from. */
  const origin = {
    reflect: reflected,
    replicate: (i: number, n: number) => Math.min(Math.max(i, 0), n - 1),
    circular: (i: number, n: number) => (i + n) % n,
  };
  function reflected(i: number, n: number): number {
    const inside = Math.abs(i);
    return inside < n ? inside : 2 * (n - 1) - inside;
  }
  const border = fc.record({ n: sizeUpTo(6), before: sizeUpTo(6, 0), after: sizeUpTo(6, 0) });
  functionProperty(
    'pad with reflect, replicate and circular borders',
    fc
      .record({
        axes: fc.array(border, { minLength: 1, maxLength: 3 }),
        mode: fc.constantFrom('reflect', 'replicate', 'circular'),
      })
      .map(({ axes, mode }) => {
        const widest = (n: number) => ({ reflect: n - 1, replicate: 6, circular: n })[mode] as number;
        const padding = axes.map(
          ({ n, before, after }) => [Math.min(before, widest(n)), Math.min(after, widest(n))] as const,
        );
        return {
          shapes: [axes.map((a) => a.n)],
          run: ([x]: Tensor[]) => pad(x, padding, mode),
          want: ([x]: Nd[]) =>
            build(
              axes.map((a, d) => padding[d][0] + a.n + padding[d][1]),
              (index) => at(x, ...index.map((i, d) => origin[mode](i - padding[d][0], axes[d].n))),
            ),
        };
      }),
  );

  functionProperty(
    'resize, nearest and bilinear',
    fc
      .record({
        x: sides,
        out: fc.tuple(sizeUpTo(9), sizeUpTo(9)),
        mode: fc.constantFrom('nearest', 'bilinear'),
        alignCorners: fc.boolean(),
      })
      .map(({ x: { n, h, w, c }, out, mode, alignCorners }) => ({
        shapes: [[n, h, w, c]],
        run: ([x]: Tensor[]) =>
          resize(x, { size: out, mode, alignCorners: mode === 'bilinear' && alignCorners }),
        want: ([x]: Nd[]) => {
          const place = (i: number, from: number, to: number): number => {
            if (mode === 'nearest') return Math.floor((i * from) / to);
            if (alignCorners) return to > 1 ? (i * (from - 1)) / (to - 1) : 0;
            return Math.max(((i + 0.5) * from) / to - 0.5, 0);
          };
          return build([n, ...out, c], ([b, i, j, k]) => {
            const [r, q] = [place(i, h, out[0]), place(j, w, out[1])];
            const [r0, q0] = [Math.floor(r), Math.floor(q)];
            const [r1, q1] = [Math.min(r0 + 1, h - 1), Math.min(q0 + 1, w - 1)];
            const line = (y: number) => at(x, b, y, q0, k) * (1 - (q - q0)) + at(x, b, y, q1, k) * (q - q0);
            return line(r0) * (1 - (r - r0)) + line(r1) * (r - r0);
          });
        },
      })),
  );

  const tap = fc.constantFrom(-1, 0.25, 0.5, 2);
  functionProperty(
    'upfirdn2d',
    fc
      .record({
        x: sides,
        taps: fc
          .tuple(sizeUpTo(4), sizeUpTo(4))
          .chain(([a, b]) =>
            fc.array(fc.array(tap, { minLength: b, maxLength: b }), { minLength: a, maxLength: a }),
          ),
        up: fc.tuple(sizeUpTo(3), sizeUpTo(3)),
        down: fc.tuple(sizeUpTo(3), sizeUpTo(3)),
        padding: fc.tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: -2, max: 4 }))),
        flip: fc.boolean(),
      })
      .map(({ x, taps, padding, ...rest }) => {
        const [top, bottom, left, right] = padding;
        const room = [
          x.h * rest.up[0] + top + bottom - taps.length,
          x.w * rest.up[1] + left + right - taps[0].length,
        ];
        return { ...rest, x, taps, padding, room };
      })
      .filter(({ room }) => room.every((r) => r >= 0))
      .map(({ x: { n, h, w, c }, taps, up, down, padding, flip, room }) => ({
        shapes: [[n, h, w, c]],
        run: ([x]: Tensor[]) => upfirdn2d(x, taps, { up, down, padding, flip, gain: 1.5 }),
        want: ([x]: Nd[]) => {
          /** The image with zeros between and around its pixels. */
          const grownAt = (b: number, i: number, j: number, k: number): number => {
            const [y, z] = [i - padding[0], j - padding[2]];
            const inside =
              y >= 0 && z >= 0 && y % up[0] === 0 && z % up[1] === 0 && y < h * up[0] && z < w * up[1];
            return inside ? at(x, b, y / up[0], z / up[1], k) : 0;
          };
          const out = room.map((r, d) => Math.floor(r / down[d]) + 1);
          return build([n, ...out, c], ([b, i, j, k]) => {
            let total = 0;
            for (const [u, line] of taps.entries()) {
              for (const v of line.keys()) {
                const t = flip ? taps[u][v] : taps[taps.length - 1 - u][line.length - 1 - v];
                total += 1.5 * t * grownAt(b, i * down[0] + u, j * down[1] + v, k);
              }
            }
            return total;
          });
        },
      })),
  );
});
