// What the tests of the models with an encoder share: a run that is stopped and continued, and the encoder that
// it gives away.

import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HostRandom } from '../../src/data/random.js';
import { loadEncoder, loadLabeller } from '../../src/train/encoder.js';
import { loadGenerator } from '../../src/train/generator.js';
import { trainRun } from '../../src/train/run.js';
import { checkpointBytes, metricsOf, temporaryFolder, tinyData } from '../train/helpers.js';

const folder = await temporaryFolder();

/** Declares the test. The config is for latents of 6 numbers; `reported` are among the names in the metrics. */
export function encoderRunTest(model: string, config: Record<string, unknown>, reported: string[]): void {
  test('six steps are three and three, and the encoder of a run makes latents for its generator', async () => {
    const [whole, parts] = ['whole', 'parts'].map((name) => join(folder, name));
    const common = { model, data: tinyData() };
    await trainRun({ ...common, out: whole, config: { ...config, steps: 6 } });
    await trainRun({ ...common, out: parts, config: { ...config, steps: 3 } });
    await trainRun({ ...common, resume: parts, config: { steps: 6 } });
    expect(await checkpointBytes(parts, 6)).toEqual(await checkpointBytes(whole, 6));
    const metrics = await metricsOf(parts);
    expect(metrics).toEqual(await metricsOf(whole));
    expect(Object.keys(metrics[0])).toEqual(expect.arrayContaining(reported));
    const [encoder, generator] = [await loadEncoder(whole), await loadGenerator(whole)];
    expect(encoder).toMatchObject({ zSize: 6, height: 8, width: 8, channels: 1 });
    const pixels = await tinyData().batch(Int32Array.of(3, 4, 5), new HostRandom(0));
    const z = await encoder.encode(pixels, 3);
    expect(z).toHaveLength(18);
    expect(await generator.generate(z, 3)).toHaveLength(3 * 64);
    // Of each image by itself, nothing drawn.
    const alone = await encoder.encode(pixels.subarray(64, 128), 1);
    alone.forEach((v, i) => {
      expect(v).toBeCloseTo(z[6 + i], 5);
    });
    await expect(encoder.encode(pixels, 2)).rejects.toThrow(expect.objectContaining({ code: 'ERR_SHAPE' }));
    encoder.dispose();
    generator.dispose();
    await expect(loadLabeller(whole)).rejects.toThrow(`of the semi-supervised model, sgan, got ${model}`);
  });
}
