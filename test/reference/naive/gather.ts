// References of gather and scatterAdd: an index (a.., i.., b..) of the smaller picture and (a.., indices[i..], b..) of
// the larger one name the same element.

import { build, forEachIndex, make, type Nd, offset, type References } from '../nd.js';

/** The position in x of element `index` of gather(x, indices, axis). */
function sourceOf(index: readonly number[], indices: Nd, axis: number): number[] {
  const rank = indices.shape.length;
  const row = indices.data[offset(indices.shape, index.slice(axis, axis + rank))];
  return [...index.slice(0, axis), row, ...index.slice(axis + rank)];
}

export const references: References = {
  gather: ([x, indices]: Nd[], { axis }: { axis: number }) =>
    build(
      [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)],
      (index) => x.data[offset(x.shape, sourceOf(index, indices, axis))],
    ),

  scatterAdd: ([indices, updates]: Nd[], { axis, size }: { axis: number; size: number }) => {
    const { shape } = updates;
    const x = make([...shape.slice(0, axis), size, ...shape.slice(axis + indices.shape.length)]);
    forEachIndex(shape, (index, flat) => {
      x.data[offset(x.shape, sourceOf(index, indices, axis))] += updates.data[flat];
    });
    return x;
  },
};
