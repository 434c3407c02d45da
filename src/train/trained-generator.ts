// The generator of a run, with its weights: the methods of Generator (generator.ts) on plain arrays, in
// evaluation mode.

import { GanvasError } from '../errors.js';
import { everyClass, type Labels } from '../latents/labels.js';
import { joined } from '../latents/paths.js';
import { projectImage, psnr } from '../latents/projection.js';
import { noStyles } from '../latents/space.js';
import type { Code, Latent } from '../models/model.js';
import type { StyleGenerator } from '../networks/style-mapping.js';
import type { AnyModule, Module } from '../nn/module.js';
import { RunningNorm, standingStatistics } from '../nn/norm.js';
import { noGrad } from '../tensor/autograd.js';
import {
  add,
  broadcastTo,
  mean,
  mul,
  reshape,
  slice,
  square,
  sub,
  tensor,
  truncatedNormal,
} from '../tensor/ops/index.js';
import { Generator as RandomGenerator } from '../tensor/random-state.js';
import { scope } from '../tensor/scope.js';
import type { Tensor } from '../tensor/tensor.js';
import { toPixels, toUnitRange } from './batches.js';
import { generatePixels, imagesAtOnce, inParts, latentVectors, rows } from './generate.js';
import type { Generator, Projection, ProjectOptions, SampleOptions } from './generator.js';
import { loadNetwork, type SavedRun } from './saved-run.js';

// What projection takes the mean and the spread of a space from; the paper's 10,000 tell them more exactly
// than is needed.
const projectionCandidates = 1000;

const hasStyles = (network: AnyModule): network is Module & StyleGenerator =>
  'map' in network && 'synthesize' in network;

/** The part of a discriminator that sees. */
type Seeing = Module & { features(images: Tensor): Tensor };

/** See Generator, whose contracts these are. */
export class TrainedGenerator implements Generator {
  readonly zSize: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number | undefined;
  readonly classNames: readonly string[] | undefined;
  readonly codes: readonly Code[] | undefined;
  readonly styles: { layers: number; wSize: number } | undefined;
  readonly #network: Module;
  readonly #latent: Latent;
  readonly #run: SavedRun;
  readonly #step: number;
  #discriminator: Promise<Seeing> | undefined;

  private constructor(
    run: SavedRun,
    { network, built, step }: Awaited<ReturnType<typeof loadNetwork>>,
    classNames: readonly string[] | undefined,
  ) {
    const generator = network as Module;
    this.height = run.dims.height;
    this.width = run.dims.width;
    this.channels = run.dims.channels;
    this.classes = built.classes;
    this.classNames = built.classes === undefined ? undefined : classNames;
    this.codes = built.codes;
    if (hasStyles(generator)) this.styles = { layers: generator.layers, wSize: generator.wSize };
    this.#network = generator;
    this.#latent = built.latent;
    this.zSize = built.latent.size;
    this.#run = run;
    this.#step = step;
  }

  static async load(run: SavedRun): Promise<TrainedGenerator> {
    const classNames = await run.directory.readClasses();
    return new TrainedGenerator(run, await loadNetwork(run, 'generator'), classNames);
  }

  async latents(
    n: number,
    seed: number | readonly number[],
    { truncation }: { truncation?: number } = {},
  ): Promise<Float32Array> {
    assertImages(n);
    const latent = this.#sampled(truncation);
    if (typeof seed === 'number') return latentVectors(n, latent, seed);
    if (seed.length !== n) {
      throw new GanvasError('ERR_ARGUMENT', `expected ${n} seeds, one for each latent, got ${seed.length}`);
    }
    return joined(await Promise.all(seed.map((own) => latentVectors(1, latent, own))));
  }

  /** Where latents come from. */
  #sampled(truncation: number | undefined): Latent {
    if (truncation === undefined) return this.#latent;
    const { size, normal } = this.#latent;
    if (!normal) {
      throw new GanvasError(
        'ERR_CONFIG',
        'truncation cuts the tails of normal latents, and those of this model are not normal',
      );
    }
    if (!(truncation > 0)) {
      throw new GanvasError('ERR_ARGUMENT', `truncation of latents must be above 0, got ${truncation}`);
    }
    return {
      size,
      sample: (n, generator) => truncatedNormal([n, size], { low: -truncation, high: truncation, generator }),
    };
  }

  async generate(z: Float32Array, n: number, labels?: Labels): Promise<Uint8Array> {
    const input = this.#checked('generate', z, n, labels);
    return generatePixels(this.#network, input, n);
  }

  async map(
    z: Float32Array,
    n: number,
    { labels: given, truncation = 1 }: { labels?: Labels; truncation?: number } = {},
  ): Promise<Float32Array> {
    const network = this.#styled();
    const { labels } = this.#checked('map', z, n, given);
    if (!(truncation >= 0 && truncation <= 1)) {
      throw new GanvasError('ERR_ARGUMENT', `truncation of styles must be 0 to 1, got ${truncation}`);
    }
    const parts = await inParts<Float32Array>(n, (start, count) =>
      noGrad(() => {
        const w = network.map(rows(z, n, start, count), labels && rows(labels, n, start, count));
        if (truncation === 1) return w;
        return add(network.wAverage, mul(sub(w, network.wAverage), truncation));
      }),
    );
    return joined(parts);
  }

  async synthesize(w: Float32Array, n: number): Promise<Uint8Array> {
    const network = this.#styled();
    const { layers, wSize } = network;
    assertImages(n);
    if (w.length !== n * layers * wSize) {
      throw new GanvasError(
        'ERR_SHAPE',
        `synthesize: the styles of ${n} images take ${n * layers * wSize} numbers, got ${w.length}`,
      );
    }
    const parts = await inParts<Uint8Array>(n, (start, count) =>
      toPixels(noGrad(() => network.synthesize(reshape(rows(w, n, start, count), [count, layers, wSize])))),
    );
    return Uint8Array.from(Buffer.concat(parts));
  }

  async sample(n: number, { seed = 0, labels, truncation }: SampleOptions = {}): Promise<Uint8Array> {
    if (!this.styles) return this.generate(await this.latents(n, seed, { truncation }), n, labels);
    const w = await this.map(await this.latents(n, seed), n, { labels, truncation });
    return this.synthesize(w, n);
  }

  async standingStatistics(
    passes: number,
    { seed = 0, truncation }: { seed?: number; truncation?: number } = {},
  ): Promise<void> {
    if (!this.#network.modules().some((module) => module instanceof RunningNorm)) {
      throw new GanvasError(
        'ERR_CONFIG',
        'standing statistics are those of batch normalisation, and this generator has none',
      );
    }
    const latent = this.#sampled(truncation);
    const generator = new RandomGenerator(seed);
    standingStatistics(this.#network, passes, () => {
      const z = latent.sample(imagesAtOnce, generator);
      const labels = this.#labels(imagesAtOnce);
      return this.#network.forward(z, ...(labels ? [tensor(labels, [imagesAtOnce])] : []));
    });
  }

  async project(pixels: Uint8Array, options: ProjectOptions = {}): Promise<Projection> {
    const { space = this.styles ? 'w' : 'z', label = 0, featureWeight = 0, seed = 0, ...rest } = options;
    const network = this.#network;
    const styled = space === 'w' ? this.#styled() : undefined;
    const size = styled ? styled.wSize : this.zSize;
    const labelsOf = (n: number) => {
      if (this.classes === undefined) return [];
      const labels = new Int32Array(n).fill(label);
      assertLabels(labels, n, this.classes);
      return [tensor(labels, [n])];
    };
    const seeing = featureWeight > 0 ? await this.#seeing() : undefined;
    const draw = (points: Tensor): Tensor => {
      const [n] = points.shape;
      if (!styled) return network.forward(points, ...labelsOf(n));
      const w = reshape(points, [n, 1, size]);
      return styled.synthesize(broadcastTo(w, [n, styled.layers, size]));
    };
    return scope(async () => {
      const target = this.#images(pixels, 1);
      // From the other end of the seeds: not the latents that images of small seeds are made from.
      const apart = new RandomGenerator(Number.MAX_SAFE_INTEGER - seed);
      const z = this.#latent.sample(projectionCandidates, apart);
      const candidates = styled
        ? noGrad(() =>
            reshape(slice(styled.map(z, ...labelsOf(z.shape[0])), [0, 0, 0], [z.shape[0], 1, size]), [
              -1,
              size,
            ]),
          )
        : z;
      const features = seeing && ((images: Tensor) => seeing.features(images));
      const found = await projectImage(
        { target, candidates, draw, features },
        { ...rest, featureWeight, seed },
      );
      const [start, end] = await Promise.all(
        [found.start, found.end].map(async (point) => {
          const image = noGrad(() => draw(point));
          const [[error], bytes] = await Promise.all([
            mean(square(sub(image, target))).data(),
            toPixels(image).data(),
          ]);
          return { pixels: bytes as Uint8Array, psnr: psnr(error) };
        }),
      );
      const point = styled ? broadcastTo(found.end, [styled.layers, size]) : found.end;
      return {
        space,
        point: (await point.data()) as Float32Array,
        pixels: end.pixels,
        startPixels: start.pixels,
        psnr: { start: start.psnr, end: end.psnr },
      };
    });
  }

  async features(pixels: Uint8Array, n: number): Promise<Float32Array> {
    assertImages(n);
    const seeing = await this.#seeing();
    const size = this.height * this.width * this.channels;
    if (pixels.length !== n * size) throw this.#wrongImages(pixels, n);
    const parts = await inParts<Float32Array>(n, (start, count) =>
      noGrad(() =>
        seeing.features(this.#images(pixels.subarray(start * size, (start + count) * size), count)),
      ),
    );
    return joined(parts);
  }

  dispose(): void {
    this.#network.dispose();
    this.#discriminator?.then(
      (network) => network.dispose(),
      () => {},
    );
  }

  #styled(): Module & StyleGenerator {
    if (hasStyles(this.#network)) return this.#network;
    throw new GanvasError('ERR_CONFIG', noStyles);
  }

  /** The discriminator, loaded when it is first wanted. */
  #seeing(): Promise<Seeing> {
    this.#discriminator ??= loadNetwork(this.#run, 'discriminator', this.#step).then(({ network }) => {
      if (network && 'features' in network) return network as Seeing;
      network?.dispose();
      throw new GanvasError('ERR_CONFIG', 'this model has no discriminator that gives features of an image');
    });
    return this.#discriminator;
  }

  #images(pixels: Uint8Array, n: number): Tensor {
    const { height, width, channels } = this;
    if (pixels.length !== n * height * width * channels) throw this.#wrongImages(pixels, n);
    return toUnitRange(tensor(pixels, [n, height, width, channels]));
  }

  #wrongImages(pixels: Uint8Array, n: number): GanvasError {
    const { height, width, channels } = this;
    return new GanvasError(
      'ERR_SHAPE',
      `expected ${n} images of ${height} x ${width} x ${channels} bytes, got ${pixels.length} bytes`,
    );
  }

  #labels(n: number): Int32Array | undefined {
    return this.classes === undefined ? undefined : everyClass(n, this.classes);
  }

  #checked(name: string, z: Float32Array, n: number, labels: Labels | undefined = this.#labels(n)) {
    assertImages(n);
    assertLabels(labels, n, this.classes);
    if (z.length !== n * this.zSize) {
      throw new GanvasError(
        'ERR_SHAPE',
        `${name}: ${n} latents take ${n * this.zSize} numbers, got ${z.length}`,
      );
    }
    return { z, labels };
  }
}

function assertLabels(labels: Labels | undefined, n: number, classes: number | undefined): void {
  if (labels === undefined) return;
  if (classes === undefined) {
    throw new GanvasError('ERR_ARGUMENT', 'labels were given to a generator that knows no classes');
  }
  if (labels instanceof Float32Array) {
    if (labels.length === n * classes && labels.every(Number.isFinite)) return;
    throw new GanvasError(
      'ERR_ARGUMENT',
      `expected ${classes} weights for each of ${n} images, got ${labels.length} numbers`,
    );
  }
  if (labels.length !== n || labels.some((label) => label < 0 || label >= classes)) {
    throw new GanvasError('ERR_ARGUMENT', `expected ${n} labels from 0 to ${classes - 1}`);
  }
}

function assertImages(n: number): void {
  if (!Number.isSafeInteger(n) || n < 1) {
    throw new GanvasError('ERR_ARGUMENT', `expected a number of images of at least 1, got ${n}`);
  }
}
