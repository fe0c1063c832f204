import { BitModel } from "./bit-model.ts";
import { RangeDecoder, RangeEncoder } from "./range-coder.ts";

/**
 * Gaps (1, 2, 3 …) by an adaptive range coder. A gap of 1 is one decision that knows the two before it, so that runs cost next
 * to nothing; of any other gap the magnitude is learnt, and the first three bits below it for each magnitude.
 */
export function encodeAdaptive(gaps: Iterable<number>): Uint8Array {
  const models = new GapModels();
  const encoder = new RangeEncoder();
  for (const gap of gaps) {
    const isNext = gap === 1 ? 1 : 0;
    encoder.bit(models.run, models.history, isNext);
    models.remember(isNext);
    if (isNext === 1) continue;
    const value = gap - 1;
    const magnitude = 31 - Math.clz32(value);
    let node = 1;
    for (let shift = 4; shift >= 0; shift -= 1) {
      const bit = ((magnitude >>> shift) & 1) as 0 | 1;
      encoder.bit(models.magnitude, node, bit);
      node = node * 2 + bit;
    }
    encodeBelow(encoder, models, { value, magnitude });
  }
  return encoder.finish();
}

/** Reads `count` gaps one after the other; each is handed over as soon as it is known. */
export function decodeAdaptive(bytes: Uint8Array, count: number, take: (gap: number) => void): void {
  const models = new GapModels();
  const decoder = new RangeDecoder(bytes);
  for (let read = 0; read < count; read += 1) {
    const isNext = decoder.bit(models.run, models.history);
    models.remember(isNext);
    if (isNext === 1) {
      take(1);
      continue;
    }
    let node = 1;
    for (let depth = 0; depth < 5; depth += 1) node = node * 2 + decoder.bit(models.magnitude, node);
    take(decodeBelow(decoder, models, node - 32) + 1);
  }
  decoder.finish();
}

/** The contexts: after which runs, of which magnitude, and what comes first below it. */
class GapModels {
  readonly run = new BitModel(4);
  readonly magnitude = new BitModel(32);
  readonly #below = new BitModel(32 * 8);
  /** The last two answers to "is it a gap of 1?". */
  history = 0;

  remember(isNext: 0 | 1): void {
    this.history = ((this.history << 1) | isNext) & 3;
  }

  get below(): BitModel {
    return this.#below;
  }
}

function encodeBelow(
  encoder: RangeEncoder,
  models: GapModels,
  { value, magnitude }: { readonly value: number; readonly magnitude: number },
): void {
  const learnt = Math.min(learntBits, magnitude);
  let node = 1;
  for (let depth = 0; depth < learnt; depth += 1) {
    const bit = ((value >>> (magnitude - 1 - depth)) & 1) as 0 | 1;
    encoder.bit(models.below, magnitude * 8 + node, bit);
    node = node * 2 + bit;
  }
  encoder.plain(value, magnitude - learnt);
}

function decodeBelow(decoder: RangeDecoder, models: GapModels, magnitude: number): number {
  const learnt = Math.min(learntBits, magnitude);
  let node = 1;
  for (let depth = 0; depth < learnt; depth += 1) node = node * 2 + decoder.bit(models.below, magnitude * 8 + node);
  const rest = magnitude - learnt;
  return node * 2 ** rest + decoder.plain(rest);
}

const learntBits = 3;
