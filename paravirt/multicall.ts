import type { Domain } from "./domain.js";
import { accessOk, fetchWords, storeWord } from "./guest-access.js";
import { Continuation, type HypercallResult } from "./hypercall-result.js";
import { preempted } from "./mmu-update.js";
import { EFAULT, EINVAL } from "../hypervisor/xen/public/errno.js";

/** multicall: several hypercalls for one entry to Xen (public/xen.h, struct multicall_entry: op, result, args[6]). */

const MULTICALL_ENTRY_BYTES = 32, RESULT = 4, ARGS = 8;

/** HYPERVISOR_multicall(call_list, nr_calls). */
export function multicall(d: Domain, [list, calls]: readonly number[]): HypercallResult {
  const { hypercalls } = d;
  if (hypercalls === undefined || hypercalls.inMulticall) return -EINVAL;
  if (!accessOk(d, list, calls * MULTICALL_ENTRY_BYTES)) return -EFAULT;
  hypercalls.inMulticall = true;
  try {
    for (let i = 0; i < calls; i++, list += MULTICALL_ENTRY_BYTES) {
      if (preempted(d, i)) return new Continuation([list, calls - i]);
      const entry = new Uint32Array(8);
      if (!fetchWords(d, list, 8, entry)) return -EFAULT;
      const result = hypercalls.call(entry[0], [...entry.subarray(2)]);
      if (result instanceof Continuation) {
        // The call goes on where it stopped when the list is taken up again.
        for (let a = 0; a < result.args.length; a++) if (!storeWord(d, list + ARGS + a * 4, result.args[a])) return -EFAULT;
        return new Continuation([list, calls - i]);
      }
      if (!storeWord(d, list + RESULT, result)) return -EFAULT;
    }
    return 0;
  } finally {
    hypercalls.inMulticall = false;
  }
}
