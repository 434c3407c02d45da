// "Did you mean ...?": the known name nearest to a mistyped one, by edit distance. Used for config keys,
// models, data sets and command-line options.

/**
 * Number of insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (Damerau's
 * OSA distance).
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}

/**
 * The known name nearest to `name`, or undefined when none is near enough to be a slip of the keyboard
 * (at most a third of the letters wrong, never more than three). Case, `-` and `_` do not count as
 * differences.
 */
export function closestName(name: string, known: Iterable<string>): string | undefined {
  // An absurdly long name is no typing slip, and the distance takes time proportional to its length.
  if (name.length > 64) return undefined;
  const plain = (text: string) => text.toLowerCase().replace(/[-_]/g, '');
  const wanted = plain(name);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const target = plain(candidate);
    const distance = editDistance(wanted, target);
    const allowed = Math.min(3, Math.max(1, Math.floor(Math.max(wanted.length, target.length) / 3)));
    if (distance <= allowed && distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `; did you mean "batch"?` or an empty string: the end of an error message about an unknown name. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const closest = closestName(name, known);
  return closest === undefined ? '' : `; did you mean "${closest}"?`;
}
