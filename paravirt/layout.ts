import { HYPERVISOR_VIRT_START_NONPAE, HYPERVISOR_VIRT_START_PAE, MACH2PHYS_VIRT_END_NONPAE, MACH2PHYS_VIRT_END_PAE } from "../hypervisor/xen/public/xen.js";

/**
 * Shape of the page tables and of the reserved part of an address space, for x86_32 or x86_32p. The public part is in
 * arch-x86/xen-x86_32.h; where the per-domain mappings lie is Xen's own affair (they are never named to the guest).
 */
export interface AddressLayout {
  readonly pae: boolean;
  /** Bytes of a page-table entry. */
  readonly entryBytes: 4 | 8;
  readonly entries: 512 | 1024;
  readonly l2Shift: 21 | 22;
  /** Level of the root: 3 (PAE) or 2. */
  readonly levels: 2 | 3;
  /** First reserved linear address. */
  readonly hypervisorStart: number;
  /** Where a segment of the guest must end: it may read the machine-to-physical table and nothing above. */
  readonly segmentEnd: number;
  /** The table of machine-to-physical numbers begins at hypervisorStart. */
  readonly perDomainStart: number;
  /** First slot of the last L2 table that is Xen's. */
  readonly firstXenSlot: number;
  /** Name in XENVER_capabilities and in the ELF note PAE_MODE. */
  readonly machine: "x86_32" | "x86_32p";
}

const IOREMAP_MBYTES = 4, DIRECTMAP_MBYTES = 12, PERDOMAIN_MBYTES = 8;
const PERDOMAIN_VIRT_START = 2 ** 32 - ((IOREMAP_MBYTES + DIRECTMAP_MBYTES + PERDOMAIN_MBYTES) << 20);

export const LAYOUT_32: AddressLayout = {
  pae: false, entryBytes: 4, entries: 1024, l2Shift: 22, levels: 2,
  hypervisorStart: HYPERVISOR_VIRT_START_NONPAE, segmentEnd: MACH2PHYS_VIRT_END_NONPAE, perDomainStart: PERDOMAIN_VIRT_START,
  firstXenSlot: HYPERVISOR_VIRT_START_NONPAE >>> 22, machine: "x86_32",
};

export const LAYOUT_PAE: AddressLayout = {
  pae: true, entryBytes: 8, entries: 512, l2Shift: 21, levels: 3,
  hypervisorStart: HYPERVISOR_VIRT_START_PAE, segmentEnd: MACH2PHYS_VIRT_END_PAE, perDomainStart: PERDOMAIN_VIRT_START,
  firstXenSlot: (HYPERVISOR_VIRT_START_PAE >>> 21) & 511, machine: "x86_32p",
};
