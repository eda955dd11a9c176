/**
 * What a Xen paravirtual kernel says of itself, in ELF notes or in the older __xen_guest section.
 * Reference: Xen's public/elfnote.h and public/features.h; defaults and checks as Xen's own domain
 * builder applies them.
 * Left out: loading the BSD symbol table (the wish is reported), PVH entry.
 */
import { UsageError } from "../errors.js";
import { elfSection, latin1, parseElf, type ElfImage, type ElfNote, type ElfSegment } from "./elf.js";

const NOTE_OWNER = "Xen";
const GUEST_SECTION = "__xen_guest";

/** Note types (XEN_ELFNOTE_*). */
export const XEN_ELFNOTE = {
  INFO: 0, ENTRY: 1, HYPERCALL_PAGE: 2, VIRT_BASE: 3, PADDR_OFFSET: 4, XEN_VERSION: 5, GUEST_OS: 6,
  GUEST_VERSION: 7, LOADER: 8, PAE_MODE: 9, FEATURES: 10, BSD_SYMTAB: 11, HV_START_LOW: 12,
  L1_MFN_VALID: 13, SUSPEND_CANCEL: 14, INIT_P2M: 15, MOD_START_PFN: 16, SUPPORTED_FEATURES: 17,
  PHYS32_ENTRY: 18,
} as const;

/** Feature bit (XENFEAT_*) of each feature name. */
export const XEN_FEATURES: Readonly<Record<string, number>> = {
  writable_page_tables: 0, writable_descriptor_tables: 1, auto_translated_physmap: 2,
  supervisor_mode_kernel: 3, pae_pgdir_above_4gb: 4, mmu_pt_update_preserve_ad: 5, highmem_assist: 6,
  gnttab_map_avail_bits: 7, hvm_callback_vector: 8, hvm_safe_pvclock: 9, hvm_pirqs: 10, dom0: 11,
};

const XEN_VERSION = "xen-3.0";
const PAGE_SHIFT = 12;
const FOUR_GIB = 2 ** 32;

/** `extended-cr3`: PAE with page directories above 4 GiB; `bimodal`: runs either way. */
export type XenPaeMode = "no" | "yes" | "extended-cr3" | "bimodal";

export interface XenElf {
  readonly source: "notes" | "guest-section";
  readonly guestOs: string;
  readonly guestVersion: string;
  readonly xenVersion: string;
  readonly loader: string;
  readonly pae: XenPaeMode;
  /** Virtual address that pseudo-physical 0 is mapped at. */
  readonly virtBase: number;
  /** What the file's p_paddr are above pseudo-physical addresses. */
  readonly paddrOffset: number;
  /** Virtual address of the first instruction. */
  readonly entry: number;
  /** Virtual address of the page the hypercall stubs are written to, if there is one. */
  readonly hypercallPage: number | undefined;
  /** Lowest address the kernel lets the hypervisor have, if it says. */
  readonly hvStartLow: number | undefined;
  /** Where the kernel wants its P2M list mapped, if not behind itself. */
  readonly initP2m: number | undefined;
  /** The initial RAM disk is told by frame number and is not mapped. */
  readonly modStartPfn: boolean;
  readonly suspendCancel: boolean;
  readonly bsdSymtab: boolean;
  /** Pairs of (mask, value): an L1 entry whose masked bits equal the value holds a frame number. */
  readonly l1MfnValid: readonly { readonly mask: number; readonly value: number }[];
  /** Bit sets by XENFEAT number. */
  readonly supportedFeatures: number;
  readonly requiredFeatures: number;
  /** First virtual address of the loaded kernel, and the one after its last. */
  readonly virtStart: number;
  readonly virtEnd: number;
  /** The segments; `pseudoPhysical` is where in the domain's memory each goes. */
  readonly segments: readonly (ElfSegment & { readonly pseudoPhysical: number })[];
}

/** What notes or the section say, before defaults. */
interface Claims {
  virtBase?: number;
  paddrOffset?: number;
  entry?: number;
  hypercallPage?: number;
  hvStartLow?: number;
  initP2m?: number;
  guestOs: string;
  guestVersion: string;
  xenVersion: string;
  loader: string;
  pae: XenPaeMode;
  bsdSymtab: boolean;
  modStartPfn: boolean;
  suspendCancel: boolean;
  l1MfnValid: { mask: number; value: number }[];
  supported: number;
  required: number;
}

/** Whether an ELF image speaks Xen's paravirtual interface (PVH-only kernels do not). */
export function isXenElf(elf: ElfImage): boolean {
  return xenNotes(elf).some(note => note.type === XEN_ELFNOTE.XEN_VERSION) || elfSection(elf, GUEST_SECTION) !== undefined;
}

/** Parses a Xen PV kernel; `name` stands for it in messages. */
export function parseXenElf(bytes: Uint8Array, name = "image"): XenElf {
  const elf = parseElf(bytes, name);
  const claims: Claims = {
    guestOs: "", guestVersion: "", xenVersion: "", loader: "", pae: "no", bsdSymtab: false, modStartPfn: false,
    suspendCancel: false, l1MfnValid: [], supported: 0, required: 0,
  };
  const notes = xenNotes(elf);
  const section = elfSection(elf, GUEST_SECTION);
  const source = notes.length > 0 ? "notes" : "guest-section";
  if (notes.length > 0) for (const note of notes) readNote(note, claims, name);
  else if (section) readGuestSection(latin1(section.data), claims, name);
  else throw new UsageError(`${name} is no Xen kernel: it has neither Xen notes nor a __xen_guest section`);
  return finish(elf, claims, source, name);
}

/** Notes of the segments win; sections are looked at only when those have none of Xen's. */
function xenNotes(elf: ElfImage): ElfNote[] {
  const ours = (note: ElfNote): boolean => note.name === NOTE_OWNER;
  const fromSegments = elf.segmentNotes.filter(ours);
  return fromSegments.length > 0 ? fromSegments : elf.sectionNotes.filter(ours);
}

function readNote(note: ElfNote, claims: Claims, name: string): void {
  const text = (): string => latin1(note.desc).replace(/\0.*$/s, "");
  const number = (): number => noteNumber(note, name);
  switch (note.type) {
    case XEN_ELFNOTE.ENTRY: claims.entry = number(); break;
    case XEN_ELFNOTE.HYPERCALL_PAGE: claims.hypercallPage = number(); break;
    case XEN_ELFNOTE.VIRT_BASE: claims.virtBase = number(); break;
    case XEN_ELFNOTE.PADDR_OFFSET: claims.paddrOffset = number(); break;
    case XEN_ELFNOTE.XEN_VERSION: claims.xenVersion = text(); break;
    case XEN_ELFNOTE.GUEST_OS: claims.guestOs = text(); break;
    case XEN_ELFNOTE.GUEST_VERSION: claims.guestVersion = text(); break;
    case XEN_ELFNOTE.LOADER: claims.loader = text(); break;
    case XEN_ELFNOTE.PAE_MODE: claims.pae = notePae(text()); break;
    case XEN_ELFNOTE.FEATURES: readFeatures(text(), claims, name); break;
    case XEN_ELFNOTE.BSD_SYMTAB: claims.bsdSymtab = text() === "yes"; break;
    case XEN_ELFNOTE.HV_START_LOW: claims.hvStartLow = number(); break;
    case XEN_ELFNOTE.L1_MFN_VALID: claims.l1MfnValid.push(...maskPairs(note)); break;
    case XEN_ELFNOTE.SUSPEND_CANCEL: claims.suspendCancel = number() !== 0; break;
    case XEN_ELFNOTE.INIT_P2M: claims.initP2m = number(); break;
    case XEN_ELFNOTE.MOD_START_PFN: claims.modStartPfn = number() !== 0; break;
    case XEN_ELFNOTE.SUPPORTED_FEATURES: claims.supported |= number(); break;
    default: break; // INFO and what later versions add change nothing here
  }
}

/** A numeric note of 4 or 8 bytes. */
function noteNumber(note: ElfNote, name: string): number {
  const { desc } = note;
  const view = new DataView(desc.buffer, desc.byteOffset, desc.byteLength);
  if (desc.length === 4) return view.getUint32(0, true);
  if (desc.length === 8) return view.getUint32(0, true) + view.getUint32(4, true) * FOUR_GIB;
  throw new UsageError(`${name} has a Xen note ${note.type} of ${desc.length} bytes where a number belongs`);
}

/** Mask and value pairs: both of a page-table entry's size, 4 bytes or (PAE) 8. */
function maskPairs(note: ElfNote): { mask: number; value: number }[] {
  const { desc } = note;
  const view = new DataView(desc.buffer, desc.byteOffset, desc.byteLength);
  const size = desc.length % 16 === 0 ? 8 : 4;
  const word = (at: number): number => view.getUint32(at, true) + (size === 8 ? view.getUint32(at + 4, true) * FOUR_GIB : 0);
  const pairs = [];
  for (let at = 0; at + 2 * size <= desc.length; at += 2 * size) pairs.push({ mask: word(at), value: word(at + size) });
  return pairs;
}

function notePae(text: string): XenPaeMode {
  if (text.includes("bimodal")) return "bimodal";
  return text === "yes" ? "extended-cr3" : "no"; // a kernel with notes is new enough for extended CR3
}

/** Names separated by '|'; '!' before one makes it required. */
function readFeatures(text: string, claims: Claims, name: string): void {
  for (const word of text.split("|")) {
    const required = word.startsWith("!");
    const bit = XEN_FEATURES[required ? word.slice(1) : word];
    if (bit === undefined) {
      if (required) throw new UsageError(`${name} requires the unknown Xen feature ${word.slice(1)}`);
      continue;
    }
    claims.supported |= 1 << bit;
    if (required) claims.required |= 1 << bit;
  }
}

/** The older form: NAME=VALUE or NAME, separated by commas, up to a zero byte. */
function readGuestSection(text: string, claims: Claims, name: string): void {
  let hypercallFrame: number | undefined;
  for (const item of text.replace(/\0.*$/s, "").split(",")) {
    const equals = item.indexOf("=");
    const key = equals < 0 ? item : item.slice(0, equals);
    const value = equals < 0 ? "" : item.slice(equals + 1);
    switch (key) {
      case "LOADER": claims.loader = value; break;
      case "GUEST_OS": claims.guestOs = value; break;
      case "GUEST_VER": claims.guestVersion = value; break;
      case "XEN_VER": claims.xenVersion = value; break;
      case "PAE":
        claims.pae = value === "yes[extended-cr3]" ? "extended-cr3" : value.startsWith("yes") ? "yes" : "no";
        break;
      case "BSD_SYMTAB": claims.bsdSymtab = true; break;
      case "VIRT_BASE": claims.virtBase = sectionNumber(key, value, name); break;
      case "VIRT_ENTRY": claims.entry = sectionNumber(key, value, name); break;
      case "ELF_PADDR_OFFSET": claims.paddrOffset = sectionNumber(key, value, name); break;
      case "HYPERCALL_PAGE": hypercallFrame = sectionNumber(key, value, name); break;
      case "FEATURES": readFeatures(value, claims, name); break;
      default: break;
    }
  }
  // Here the hypercall page is a frame number relative to the base, not an address.
  if (hypercallFrame !== undefined) {
    claims.hypercallPage = hypercallFrame * 2 ** PAGE_SHIFT + (claims.virtBase ?? 0);
  }
}

/** C notation, as strtoull reads it: 0x hexadecimal, a leading 0 octal, else decimal. */
function sectionNumber(key: string, text: string, name: string): number {
  const octal = /^0[0-7]+$/.test(text);
  if (!octal && !/^(0[xX][0-9a-fA-F]+|0|[1-9][0-9]*)$/.test(text)) {
    throw new UsageError(`${name} has ${key}=${JSON.stringify(text)} in __xen_guest, which is no number`);
  }
  return octal ? parseInt(text, 8) : Number(text);
}

/** Applies defaults and checks that the claims fit the file and each other. */
function finish(elf: ElfImage, claims: Claims, source: XenElf["source"], name: string): XenElf {
  if (!claims.loader.startsWith("generic") && !claims.guestOs.startsWith("linux")) {
    throw new UsageError(`${name} asks for the Xen loader ${JSON.stringify(claims.loader)}; only generic is known`);
  }
  if (!claims.xenVersion.startsWith(XEN_VERSION)) {
    throw new UsageError(`${name} is built for Xen ${JSON.stringify(claims.xenVersion)}, not ${XEN_VERSION}`);
  }
  if (claims.paddrOffset !== undefined && claims.virtBase === undefined) {
    throw new UsageError(`${name} gives Xen a PADDR_OFFSET without a VIRT_BASE`);
  }
  if (elf.segments.length === 0) throw new UsageError(`${name} has nothing to load`);
  const virtBase = claims.virtBase ?? 0;
  const paddrOffset = claims.paddrOffset ?? (source === "notes" ? 0 : virtBase);
  const segments = elf.segments.map(segment => ({ ...segment, pseudoPhysical: segment.paddr - paddrOffset }));
  const virtStart = Math.min(...segments.map(s => s.pseudoPhysical)) + virtBase;
  const virtEnd = Math.max(...segments.map(s => s.pseudoPhysical + s.memSize)) + virtBase;
  const entry = claims.entry ?? elf.entry;
  if (virtStart < virtBase || virtEnd > FOUR_GIB) throw new UsageError(`${name} has a Xen VIRT_BASE or PADDR_OFFSET that its segments do not fit`);
  if (entry < virtStart || entry >= virtEnd) throw new UsageError(`${name} has its Xen entry point outside the kernel`);
  const page = claims.hypercallPage;
  if (page !== undefined && (page % 2 ** PAGE_SHIFT !== 0 || page < virtStart || page >= virtEnd)) {
    throw new UsageError(`${name} has its Xen hypercall page outside the kernel or not on a page`);
  }
  if (claims.initP2m !== undefined && (claims.initP2m >= FOUR_GIB || claims.initP2m >= virtStart && claims.initP2m < virtEnd)) {
    throw new UsageError(`${name} wants its Xen P2M list inside the kernel`);
  }
  return {
    source, guestOs: claims.guestOs, guestVersion: claims.guestVersion, xenVersion: claims.xenVersion,
    loader: claims.loader, pae: claims.pae, virtBase, paddrOffset, entry, hypercallPage: page,
    hvStartLow: claims.hvStartLow, initP2m: claims.initP2m, modStartPfn: claims.modStartPfn,
    suspendCancel: claims.suspendCancel, bsdSymtab: claims.bsdSymtab, l1MfnValid: claims.l1MfnValid,
    supportedFeatures: claims.supported, requiredFeatures: claims.required, virtStart, virtEnd, segments,
  };
}
