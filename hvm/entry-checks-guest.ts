/**
 * Checks of VM entry on the guest-state area (SDM vol. 3C, 26.3.1). One that fails is a VM exit with basic reason 33 and
 * bit 31 set.
 */
import * as C from "./controls.js";
import { CR0_PE, CR0_PG, CR4_PAE, FLAG_IF, FLAG_TF, FLAG_VM } from "../hypervisor/cpu-state.js";
import { badAddress, injects, rule, secondary, unrestricted, type EntryRule, type Fields } from "./entry-rule.js";
import { F } from "./vmcs-fields.js";

type DataSegment = "SS" | "DS" | "ES" | "FS" | "GS";
type Segment = DataSegment | "CS" | "TR" | "LDTR";
const DATA_SEGMENTS = ["DS", "ES", "FS", "GS"] as const;
const SEGMENTS = ["CS", "SS", ...DATA_SEGMENTS] as const;

/** Encodings of a segment register's fields: looked up by name once, as they are read at every entry. */
const fieldsOf = (part: "SELECTOR" | "BASE" | "LIMIT" | "ACCESS_RIGHTS"): Readonly<Record<Segment, number>> => {
  const of = (s: Segment): number => F[`GUEST_${s}_${part}`];
  return { ES: of("ES"), CS: of("CS"), SS: of("SS"), DS: of("DS"), FS: of("FS"), GS: of("GS"), TR: of("TR"), LDTR: of("LDTR") };
};
const SELECTOR = fieldsOf("SELECTOR"), BASE = fieldsOf("BASE"), LIMIT = fieldsOf("LIMIT"), RIGHTS = fieldsOf("ACCESS_RIGHTS");

const selector = (v: Fields, s: Segment): number => v.get(SELECTOR[s]);
const base = (v: Fields, s: Segment): number => v.get(BASE[s]);
const limit = (v: Fields, s: Segment): number => v.get(LIMIT[s]);
const rights = (v: Fields, s: Segment): number => v.get(RIGHTS[s]);
const typeOf = (v: Fields, s: Segment): number => rights(v, s) & 15;
const dpl = (v: Fields, s: Segment): number => rights(v, s) >> 5 & 3;
const usable = (v: Fields, s: Segment): boolean => (rights(v, s) & C.RIGHTS_UNUSABLE) === 0;
const v86 = (v: Fields): boolean => (v.get(F.GUEST_RFLAGS) & FLAG_VM) !== 0;
const badGranularity = (v: Fields, s: Segment): boolean => {
  const g = (rights(v, s) & C.RIGHTS_G) !== 0;
  return g ? (limit(v, s) & 0xfff) !== 0xfff : limit(v, s) >>> 20 !== 0;
};
/** CS and every usable register outside virtual-8086 mode. */
const checked = (v: Fields, s: Segment): boolean => !v86(v) && (s === "CS" || s === "TR" || usable(v, s));

const REGISTERS = "26.3.1.1", SEGMENT = "26.3.1.2", TABLES = "26.3.1.3", RIP = "26.3.1.4", NON_REGISTER = "26.3.1.5", PDPTES = "26.3.1.6";

const REGISTER_RULES: readonly EntryRule[] = [
  rule(REGISTERS, "guest CR0 has the bits fixed in VMX operation", (v) => {
    const fixed = unrestricted(v) ? C.CR0_FIXED1 & ~(CR0_PE | CR0_PG) : C.CR0_FIXED1;
    return (v.get(F.GUEST_CR0) & fixed) !== fixed;
  }),
  rule(REGISTERS, "guest paging needs protected mode", (v) => (v.get(F.GUEST_CR0) & CR0_PG) !== 0 && (v.get(F.GUEST_CR0) & CR0_PE) === 0),
  rule(REGISTERS, "guest CR4 has the bits fixed in VMX operation and no unsupported one",
    (v) => (v.get(F.GUEST_CR4) & C.CR4_FIXED1) !== C.CR4_FIXED1 || (v.get(F.GUEST_CR4) & ~C.CR4_ALLOWED) !== 0),
];

const SEGMENT_RULES: readonly EntryRule[] = [
  rule(SEGMENT, "TR's selector is in the GDT", (v) => (selector(v, "TR") & 4) !== 0),
  rule(SEGMENT, "LDTR's selector is in the GDT", (v) => usable(v, "LDTR") && (selector(v, "LDTR") & 4) !== 0),
  rule(SEGMENT, "SS.RPL is CS.RPL", (v) => !v86(v) && !unrestricted(v) && ((selector(v, "SS") ^ selector(v, "CS")) & 3) !== 0),
  ...SEGMENTS.flatMap((s) => [
    rule(SEGMENT, `${s}.base is its selector << 4 in virtual-8086 mode`, (v) => v86(v) && base(v, s) !== selector(v, s) << 4),
    rule(SEGMENT, `${s}.limit is 0xffff in virtual-8086 mode`, (v) => v86(v) && limit(v, s) !== 0xffff),
    rule(SEGMENT, `${s}'s access rights are 0xf3 in virtual-8086 mode`, (v) => v86(v) && rights(v, s) !== 0xf3),
  ]),
  rule(SEGMENT, "CS is an accessed code segment (or, unrestricted, data)",
    (v) => checked(v, "CS") && !([9, 11, 13, 15].includes(typeOf(v, "CS")) || (typeOf(v, "CS") === 3 && unrestricted(v)))),
  rule(SEGMENT, "SS is an accessed, writable data segment", (v) => checked(v, "SS") && typeOf(v, "SS") !== 3 && typeOf(v, "SS") !== 7),
  ...DATA_SEGMENTS.map((s) => rule(SEGMENT, `${s} is accessed, and readable if code`,
    (v) => checked(v, s) && ((typeOf(v, s) & 1) === 0 || (typeOf(v, s) & 0xa) === 8))),
  ...SEGMENTS.flatMap((s) => [
    rule(SEGMENT, `${s} is no system segment`, (v) => checked(v, s) && (rights(v, s) & C.RIGHTS_S) === 0),
    rule(SEGMENT, `${s} is present`, (v) => checked(v, s) && (rights(v, s) & C.RIGHTS_P) === 0),
    rule(SEGMENT, `reserved bits of ${s}'s access rights are clear`, (v) => checked(v, s) && (rights(v, s) & C.RIGHTS_RESERVED) !== 0),
    rule(SEGMENT, `${s}.G goes with its limit`, (v) => checked(v, s) && badGranularity(v, s)),
  ]),
  rule(SEGMENT, "CS.DPL goes with its type and SS.DPL", (v) => {
    if (v86(v)) return false;
    const cs = dpl(v, "CS"), ss = dpl(v, "SS");
    return typeOf(v, "CS") === 3 ? cs !== 0 : (typeOf(v, "CS") & 4) === 0 ? cs !== ss : cs > ss;
  }),
  rule(SEGMENT, "SS.DPL is SS.RPL", (v) => !v86(v) && !unrestricted(v) && dpl(v, "SS") !== (selector(v, "SS") & 3)),
  rule(SEGMENT, "SS.DPL is 0 in real-address mode and on a data CS",
    (v) => !v86(v) && (typeOf(v, "CS") === 3 || (v.get(F.GUEST_CR0) & CR0_PE) === 0) && dpl(v, "SS") !== 0),
  ...DATA_SEGMENTS.map((s) => rule(SEGMENT, `${s}.DPL is not below its RPL`,
    (v) => checked(v, s) && !unrestricted(v) && typeOf(v, s) < 12 && dpl(v, s) < (selector(v, s) & 3))),
  rule(SEGMENT, "TR is a busy TSS", (v) => typeOf(v, "TR") !== 3 && typeOf(v, "TR") !== 11),
  rule(SEGMENT, "LDTR is an LDT", (v) => usable(v, "LDTR") && typeOf(v, "LDTR") !== 2),
  rule(SEGMENT, "TR is usable", (v) => !usable(v, "TR")),
  ...(["TR", "LDTR"] as const).flatMap((s) => [
    rule(SEGMENT, `${s} is a system segment`, (v) => usable(v, s) && (rights(v, s) & C.RIGHTS_S) !== 0),
    rule(SEGMENT, `${s} is present`, (v) => usable(v, s) && (rights(v, s) & C.RIGHTS_P) === 0),
    rule(SEGMENT, `reserved bits of ${s}'s access rights are clear`, (v) => usable(v, s) && (rights(v, s) & C.RIGHTS_RESERVED) !== 0),
    rule(SEGMENT, `${s}.G goes with its limit`, (v) => usable(v, s) && badGranularity(v, s)),
  ]),
  rule(TABLES, "GDTR's limit fits in 16 bits", (v) => v.get(F.GUEST_GDTR_LIMIT) >>> 16 !== 0),
  rule(TABLES, "IDTR's limit fits in 16 bits", (v) => v.get(F.GUEST_IDTR_LIMIT) >>> 16 !== 0),
];

/** Bits 63:22, 15, 5 and 3. */
const RFLAGS_RESERVED = 0xffc08028 | 0;
const RFLAGS_FIXED = 2;

const FLAG_RULES: readonly EntryRule[] = [
  rule(RIP, "reserved bits of RFLAGS are set properly",
    (v) => (v.get(F.GUEST_RFLAGS) & RFLAGS_RESERVED) !== 0 || (v.get(F.GUEST_RFLAGS) & RFLAGS_FIXED) === 0),
  rule(RIP, "virtual-8086 mode needs protected mode", (v) => v86(v) && (v.get(F.GUEST_CR0) & CR0_PE) === 0),
  rule(RIP, "IF is set when an external interrupt is injected",
    (v) => injects(v, C.TYPE_EXTERNAL_INTERRUPT) && (v.get(F.GUEST_RFLAGS) & FLAG_IF) === 0),
];

const activity = (v: Fields): number => v.get(F.GUEST_ACTIVITY_STATE);
const blocking = (v: Fields, bits: number): boolean => (v.get(F.GUEST_INTERRUPTIBILITY_STATE) & bits) !== 0;
const SHADOWS = C.BLOCKING_BY_STI | C.BLOCKING_BY_MOV_SS;
const PENDING_DEBUG_RESERVED = ~0xf & ~C.PENDING_DEBUG_ENABLED_BREAKPOINT & ~C.PENDING_DEBUG_BS;

/** Whether the injected event may be injected into a guest in HLT or shutdown (26.3.1.5). */
function eventSuitsActivity(v: Fields): boolean {
  const info = v.get(F.VM_ENTRY_INTERRUPTION_INFO);
  if ((info & C.INFO_VALID) === 0 || activity(v) === C.ACTIVITY_ACTIVE) return true;
  const kind = info & C.INFO_TYPE, vector = info & C.INFO_VECTOR;
  const machineCheck = kind === C.TYPE_HARDWARE_EXCEPTION && vector === 18;
  if (activity(v) === C.ACTIVITY_SHUTDOWN) return kind === C.TYPE_NMI || machineCheck;
  return kind === C.TYPE_NMI || kind === C.TYPE_EXTERNAL_INTERRUPT || machineCheck || (kind === C.TYPE_HARDWARE_EXCEPTION && vector === 1);
}

const NON_REGISTER_RULES: readonly EntryRule[] = [
  rule(NON_REGISTER, "the activity state is one of 0 to 3", (v) => activity(v) >>> 0 > 3),
  rule(NON_REGISTER, "a halted guest is at privilege 0", (v) => activity(v) === C.ACTIVITY_HLT && dpl(v, "SS") !== 0),
  rule(NON_REGISTER, "a guest that blocks interrupts for one instruction is active", (v) => blocking(v, SHADOWS) && activity(v) !== C.ACTIVITY_ACTIVE),
  rule(NON_REGISTER, "the activity state can take the injected event", (v) => !eventSuitsActivity(v)),
  rule(NON_REGISTER, "reserved bits of the interruptibility state are clear", (v) => blocking(v, ~0xf)),
  rule(NON_REGISTER, "blocking is by STI or by MOV SS, not both", (v) => (v.get(F.GUEST_INTERRUPTIBILITY_STATE) & SHADOWS) === SHADOWS),
  rule(NON_REGISTER, "blocking by STI needs IF", (v) => blocking(v, C.BLOCKING_BY_STI) && (v.get(F.GUEST_RFLAGS) & FLAG_IF) === 0),
  rule(NON_REGISTER, "no external interrupt is injected while blocked", (v) => injects(v, C.TYPE_EXTERNAL_INTERRUPT) && blocking(v, SHADOWS)),
  rule(NON_REGISTER, "no NMI is injected while blocked by MOV SS", (v) => injects(v, C.TYPE_NMI) && blocking(v, C.BLOCKING_BY_MOV_SS)),
  rule(NON_REGISTER, "there is no blocking by SMI outside SMM", (v) => blocking(v, C.BLOCKING_BY_SMI)),
  rule(NON_REGISTER, "no NMI is injected while blocked by STI", (v) => injects(v, C.TYPE_NMI) && blocking(v, C.BLOCKING_BY_STI), 3),
  rule(NON_REGISTER, "reserved bits of the pending debug exceptions are clear", (v) => (v.get(F.GUEST_PENDING_DEBUG_EXCEPTIONS) & PENDING_DEBUG_RESERVED) !== 0),
  rule(NON_REGISTER, "the pending single step goes with TF", (v) => {
    if (!blocking(v, SHADOWS) && activity(v) !== C.ACTIVITY_HLT) return false;
    return ((v.get(F.GUEST_RFLAGS) & FLAG_TF) !== 0) !== ((v.get(F.GUEST_PENDING_DEBUG_EXCEPTIONS) & C.PENDING_DEBUG_BS) !== 0);
  }),
  rule(NON_REGISTER, "the VMCS link pointer is all ones or a page of physical memory", (v, bytes) =>
    (v.get(F.VMCS_LINK_POINTER) !== -1 || v.get(F.VMCS_LINK_POINTER + 1) !== -1) && badAddress(v, F.VMCS_LINK_POINTER, 4096, bytes), 4),
];

/** Bits 2:1, 8:5 and 63:32 of a PDPTE (vol. 3, table 4-8). */
const PDPTE_RESERVED = 0x1e6;
const badPdpte = (v: Fields, field: number): boolean =>
  (v.get(field) & 1) !== 0 && ((v.get(field) & PDPTE_RESERVED) !== 0 || v.get(field + 1) !== 0);

const PDPTE_RULES: readonly EntryRule[] = [
  rule(PDPTES, "reserved bits of the guest's PDPTEs are clear", (v) =>
    (v.get(F.GUEST_CR0) & CR0_PG) !== 0 && (v.get(F.GUEST_CR4) & CR4_PAE) !== 0 && secondary(v, C.PROC2_ENABLE_EPT) &&
    [F.GUEST_PDPTE0, F.GUEST_PDPTE1, F.GUEST_PDPTE2, F.GUEST_PDPTE3].some((field) => badPdpte(v, field)), 2),
];

export const GUEST_RULES: readonly EntryRule[] = [...REGISTER_RULES, ...SEGMENT_RULES, ...FLAG_RULES, ...NON_REGISTER_RULES, ...PDPTE_RULES];
