import type { ZstdOptions } from "node:zlib";
import { FleetError } from "@fleetcert/shared";
import type { ListPatches } from "../ports.ts";

/** Applies patches with zstd on the thread pool; neither memory nor result is larger than the head allows. */
export const zstdListPatches: ListPatches = {
  async apply({ base, patch, length }) {
    const windowLogMax = Math.max(10, Math.ceil(Math.log2(base.length + length + 1)));
    if (windowLogMax > maxWindowLog) {
      throw new FleetError("revocation-invalid", `a patch to a list of ${length} bytes is larger than a device takes`);
    }
    // Loaded at the first patch: most agents keep snapshots, and never see one.
    const { constants, zstdDecompress } = await import("node:zlib");
    // No promisify: node:util would load much that an agent never needs.
    const decompress = (data: Uint8Array, options: ZstdOptions): Promise<Buffer> =>
      new Promise((resolve, reject) => {
        zstdDecompress(data, options, (error, result) => (error === null ? resolve(result) : reject(error)));
      });
    try {
      const params = { [constants.ZSTD_d_windowLogMax]: windowLogMax };
      return new Uint8Array(await decompress(patch, { dictionary: base, maxOutputLength: length, params }));
    } catch (cause) {
      throw new FleetError("revocation-invalid", "the patch of a list cannot be read", { cause });
    }
  },
};

/** 32 MiB. */
const maxWindowLog = 25;
