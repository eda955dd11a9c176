import type { Domain } from "./domain.js";
import { EINVAL, ENOSYS } from "../hypervisor/xen/public/errno.js";
import { MAX_VMASST_TYPE, VMASST_CMD_disable, VMASST_CMD_enable } from "../hypervisor/xen/public/xen.js";

/** HYPERVISOR_vm_assist(cmd, type): turns an assistance on or off. */
export function vmAssist(d: Domain, [command, type]: readonly number[]): number {
  if (type > MAX_VMASST_TYPE) return -EINVAL;
  if (command !== VMASST_CMD_enable && command !== VMASST_CMD_disable) return -ENOSYS;
  d.writablePageTables.cleanup();
  if (command === VMASST_CMD_enable) d.vmAssist |= 1 << type;
  else d.vmAssist &= ~(1 << type);
  return 0;
}
