/**
 * Xen's platform device: the PCI function by which an unmodified guest finds that it may ask for Xen's interface, and whose pin tells it of
 * events. Reference: Xen, public/hvm/params.h (HVM_PARAM_CALLBACK_IRQ); vendor and device number as every front end knows them.
 * Left out: its windows, which hold the log port and room to map shared pages in; ours are in memory.
 */
import { COMMAND_IO, COMMAND_MEMORY, PciFunction } from "./pci.js";

export const XEN_VENDOR = 0x5853, XEN_PLATFORM = 0x0001;

export function xenPlatform(): PciFunction {
  return new PciFunction({
    vendor: XEN_VENDOR, device: XEN_PLATFORM, revision: 1, classCode: 0xff_8000, subsystem: [XEN_VENDOR, XEN_PLATFORM],
    command: COMMAND_IO | COMMAND_MEMORY, interruptPin: 1,
  });
}
