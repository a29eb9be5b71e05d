// The option `mask` of a layer: none, a mask that all rows share, or a view of the layer's memory that is written before a forward.

import { counted, rangeError } from "../errors.js";
import { checkMask, type Mask, readClassMask } from "../loss/options.js";
import type { MaskKind } from "../loss/plan.js";
import type { Buffers } from "../memory/buffers.js";
import type { Layout } from "../tensor/shape.js";

/** The values of the option `mask` of a layer. */
export type MaskOption = boolean | ArrayLike<number> | readonly boolean[];

export class LayerMask {
  /** True if there is a mask. */
  readonly isGiven: boolean;
  /** The mask that all rows share. */
  readonly #shared: Uint8Array | undefined;

  constructor(option: unknown) {
    this.isGiven = option !== undefined && option !== false;
    this.#shared = this.isGiven && option !== true ? readClassMask(option) : undefined;
  }

  /** True if the mask is a view of the layer's memory. */
  get isView(): boolean {
    return this.isGiven && this.#shared === undefined;
  }

  /** What the layer's buffers depend on. */
  get kind(): MaskKind | undefined {
    return this.isGiven ? { isShared: this.#shared !== undefined, values: this.#shared } : undefined;
  }

  /** The mask in a layer's buffers. */
  in(buffers: Buffers): Mask | undefined {
    return this.isGiven ? { isShared: !this.isView, values: buffers.uint8("mask") } : undefined;
  }

  checkClasses({ classes }: Layout): void {
    const shared = this.#shared;
    if (shared && shared.length !== classes)
      throw rangeError("mask", `${counted(classes, "entry", "entries")}, one for each class`, shared);
  }

  /** Checks the view, which is open to everyone. */
  checkView(buffers: Buffers): void {
    if (this.isView) checkMask(buffers.uint8("mask"));
  }

  /** The view, for the property `mask` of the layer of that name. */
  viewIn(buffers: Buffers, layer: string): Uint8Array {
    if (!this.isView) throw new Error(`${layer}: mask expected the option mask: true`);
    return buffers.uint8("mask");
  }
}
