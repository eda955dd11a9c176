import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as C from "../../hvm/controls.js";
import { CONTROL_RULES, HOST_RULES } from "../../hvm/entry-checks-control.js";
import { GUEST_RULES } from "../../hvm/entry-checks-guest.js";
import { firstViolation } from "../../hvm/entry-rule.js";
import { vmEntry } from "../../hvm/entry.js";
import { ENTRY_FAILURE, REASON } from "../../hvm/exit-reasons.js";
import { F } from "../../hvm/vmcs-fields.js";
import type { Vmcs } from "../../hvm/vmcs.js";
import { rootRig } from "./rig.js";

const checks = suite("entry checks");
const ALL_RULES = [...CONTROL_RULES, ...HOST_RULES, ...GUEST_RULES];

type Break = (v: Vmcs) => void;
/** Sets fields to values. */
const set = (...pairs: readonly (readonly [number, number])[]): Break => (v) => { for (const [field, value] of pairs) v.set(field, value); };
const or = (field: number, bits: number): Break => (v) => v.set(field, v.get(field) | bits);
const clear = (field: number, bits: number): Break => (v) => v.set(field, v.get(field) & ~bits);
const all = (...breaks: Break[]): Break => (v) => { for (const b of breaks) b(v); };

const inject = (type: number, vector: number, more = 0): Break => set([F.VM_ENTRY_INTERRUPTION_INFO, C.INFO_VALID | type | vector | more]);
const restricted = clear(F.SECONDARY_CONTROLS, C.PROC2_UNRESTRICTED_GUEST);
const v86 = all(or(F.GUEST_RFLAGS, 1 << 17), (v) => {
  for (const s of ["CS", "SS", "DS", "ES", "FS", "GS"] as const) {
    v.set(F[`GUEST_${s}_SELECTOR`], 0x100);
    v.set(F[`GUEST_${s}_BASE`], 0x1000);
    v.set(F[`GUEST_${s}_LIMIT`], 0xffff);
    v.set(F[`GUEST_${s}_ACCESS_RIGHTS`], 0xf3);
  }
});
const rights = (s: "CS" | "SS" | "DS" | "ES" | "FS" | "GS" | "TR" | "LDTR", value: number): Break => set([F[`GUEST_${s}_ACCESS_RIGHTS`], value]);
const ldt = rights("LDTR", 0x82);

/** Breaks one rule each, starting from a state that violates none. */
const CASES: Record<string, Break> = {
  "reserved bits of the pin-based controls are set properly": clear(F.PIN_BASED_CONTROLS, 2),
  "reserved bits of the primary controls are set properly": or(F.PRIMARY_CONTROLS, 1 << 27),
  "reserved bits of the secondary controls are clear": or(F.SECONDARY_CONTROLS, 1),
  "the CR3-target count is at most 4": set([F.CR3_TARGET_COUNT, 5]),
  "I/O bitmap A is a page of physical memory": or(F.IO_BITMAP_A, 0x800),
  "I/O bitmap B is a page of physical memory": set([F.IO_BITMAP_B + 1, 1]),
  "the MSR bitmap is a page of physical memory": set([F.MSR_BITMAP, 0x7ffff000]),
  "the virtual-APIC page is a page of physical memory": all(or(F.PRIMARY_CONTROLS, C.PROC_USE_TPR_SHADOW), set([F.VIRTUAL_APIC_ADDRESS, 0x800])),
  "bits 31:4 of the TPR threshold are clear": all(or(F.PRIMARY_CONTROLS, C.PROC_USE_TPR_SHADOW), set([F.TPR_THRESHOLD, 0x10])),
  "NMI-window exiting needs virtual NMIs": or(F.PRIMARY_CONTROLS, C.PROC_NMI_WINDOW_EXITING),
  "the VPID is not 0": set([F.VIRTUAL_PROCESSOR_ID, 0]),
  "the EPT memory type is uncacheable or write-back": (v) => v.set(F.EPT_POINTER, v.get(F.EPT_POINTER) & ~7 | 1),
  "the EPT page-walk length is 4": clear(F.EPT_POINTER, 8),
  "accessed and dirty flags for EPT are off": or(F.EPT_POINTER, 0x40),
  "reserved bits of the EPT pointer are clear": or(F.EPT_POINTER, 0x80),
  "an unrestricted guest needs EPT": clear(F.SECONDARY_CONTROLS, C.PROC2_ENABLE_EPT),
  "reserved bits of the VM-exit controls are set properly": clear(F.VM_EXIT_CONTROLS, 1),
  "the VM-exit MSR-store area is 16-byte aligned and within physical memory": set([F.VM_EXIT_MSR_STORE_COUNT, 1], [F.VM_EXIT_MSR_STORE_ADDRESS, 8]),
  "the VM-exit MSR-load area is 16-byte aligned and within physical memory": set([F.VM_EXIT_MSR_LOAD_COUNT, 1], [F.VM_EXIT_MSR_LOAD_ADDRESS, 8]),
  "VM entry is not to SMM, and does not leave dual-monitor treatment": or(F.VM_ENTRY_CONTROLS, C.ENTRY_TO_SMM),
  "reserved bits of the VM-entry controls are set properly": clear(F.VM_ENTRY_CONTROLS, 1),
  "the injected event's type is not reserved": inject(0x100, 1),
  "an injected NMI has vector 2": inject(C.TYPE_NMI, 3),
  "an injected hardware exception has a vector below 32": inject(C.TYPE_HARDWARE_EXCEPTION, 32),
  "an error code is delivered exactly when the exception has one": inject(C.TYPE_HARDWARE_EXCEPTION, 13),
  "reserved bits of the interruption information are clear": inject(C.TYPE_NMI, 2, 1 << 12),
  "bits 31:16 of the injected error code are clear":
    all(inject(C.TYPE_HARDWARE_EXCEPTION, 13, C.INFO_ERROR_CODE), set([F.VM_ENTRY_EXCEPTION_ERROR_CODE, 0x10000])),
  "the instruction length of a software event is 1 to 15": all(inject(C.TYPE_SOFTWARE_INTERRUPT, 0x80), set([F.VM_ENTRY_INSTRUCTION_LENGTH, 0])),
  "the VM-entry MSR-load area is 16-byte aligned and within physical memory": set([F.VM_ENTRY_MSR_LOAD_COUNT, 1], [F.VM_ENTRY_MSR_LOAD_ADDRESS, -16]),

  "host CR0 has the bits fixed in VMX operation": clear(F.HOST_CR0, 0x20),
  "host CR4 has the bits fixed in VMX operation and no unsupported one": set([F.HOST_CR4, 0]),
  "host CS selector is not null": set([F.HOST_CS_SELECTOR, 0]),
  "host TR selector is not null": set([F.HOST_TR_SELECTOR, 0]),
  "host SS selector is not null in a 32-bit host": set([F.HOST_SS_SELECTOR, 0]),
  "IA-32e mode is off for the guest": or(F.VM_ENTRY_CONTROLS, C.ENTRY_IA32E_MODE_GUEST),
  "the host's address space is 32 bits": or(F.VM_EXIT_CONTROLS, C.EXIT_HOST_ADDRESS_SPACE_SIZE),

  "guest CR0 has the bits fixed in VMX operation": clear(F.GUEST_CR0, 0x20),
  "guest paging needs protected mode": (v) => v.set(F.GUEST_CR0, 0x80000020 | 0),
  "guest CR4 has the bits fixed in VMX operation and no unsupported one": clear(F.GUEST_CR4, C.CR4_VMXE),
  "TR's selector is in the GDT": set([F.GUEST_TR_SELECTOR, 4]),
  "LDTR's selector is in the GDT": all(ldt, set([F.GUEST_LDTR_SELECTOR, 4])),
  "SS.RPL is CS.RPL": all(restricted, or(F.GUEST_SS_SELECTOR, 1)),
  "CS is an accessed code segment (or, unrestricted, data)": rights("CS", 0xc09a),
  "SS is an accessed, writable data segment": rights("SS", 0xc091),
  "CS.DPL goes with its type and SS.DPL": rights("CS", 0xc0fb),
  "SS.DPL is SS.RPL": all(restricted, or(F.GUEST_SS_SELECTOR, 3)),
  "SS.DPL is 0 in real-address mode and on a data CS": all(set([F.GUEST_CR0, 0x20]), rights("SS", 0xc0f3)),
  "TR is a busy TSS": rights("TR", 0x89),
  "LDTR is an LDT": rights("LDTR", 0x83),
  "TR is usable": all(rights("TR", 0x1008b)),
  "GDTR's limit fits in 16 bits": set([F.GUEST_GDTR_LIMIT, 0x10000]),
  "IDTR's limit fits in 16 bits": set([F.GUEST_IDTR_LIMIT, 0x10000]),
  "reserved bits of RFLAGS are set properly": or(F.GUEST_RFLAGS, 8),
  "virtual-8086 mode needs protected mode": all(v86, set([F.GUEST_CR0, 0x20])),
  "IF is set when an external interrupt is injected": inject(C.TYPE_EXTERNAL_INTERRUPT, 0x20),
  "the activity state is one of 0 to 3": set([F.GUEST_ACTIVITY_STATE, 4]),
  "a halted guest is at privilege 0": all(set([F.GUEST_ACTIVITY_STATE, C.ACTIVITY_HLT]), rights("SS", 0xc0f3)),
  "a guest that blocks interrupts for one instruction is active":
    set([F.GUEST_ACTIVITY_STATE, C.ACTIVITY_HLT], [F.GUEST_INTERRUPTIBILITY_STATE, C.BLOCKING_BY_MOV_SS]),
  "the activity state can take the injected event": all(set([F.GUEST_ACTIVITY_STATE, C.ACTIVITY_SHUTDOWN]), inject(C.TYPE_HARDWARE_EXCEPTION, 6)),
  "reserved bits of the interruptibility state are clear": set([F.GUEST_INTERRUPTIBILITY_STATE, 0x20]),
  "blocking is by STI or by MOV SS, not both": all(or(F.GUEST_RFLAGS, 0x200), set([F.GUEST_INTERRUPTIBILITY_STATE, 3])),
  "blocking by STI needs IF": set([F.GUEST_INTERRUPTIBILITY_STATE, C.BLOCKING_BY_STI]),
  "no external interrupt is injected while blocked":
    all(or(F.GUEST_RFLAGS, 0x200), set([F.GUEST_INTERRUPTIBILITY_STATE, C.BLOCKING_BY_MOV_SS]), inject(C.TYPE_EXTERNAL_INTERRUPT, 0x20)),
  "no NMI is injected while blocked by MOV SS": all(set([F.GUEST_INTERRUPTIBILITY_STATE, C.BLOCKING_BY_MOV_SS]), inject(C.TYPE_NMI, 2)),
  "there is no blocking by SMI outside SMM": set([F.GUEST_INTERRUPTIBILITY_STATE, C.BLOCKING_BY_SMI]),
  "no NMI is injected while blocked by STI":
    all(or(F.GUEST_RFLAGS, 0x200), set([F.GUEST_INTERRUPTIBILITY_STATE, C.BLOCKING_BY_STI]), inject(C.TYPE_NMI, 2)),
  "reserved bits of the pending debug exceptions are clear": set([F.GUEST_PENDING_DEBUG_EXCEPTIONS, 0x10]),
  "the pending single step goes with TF": all(or(F.GUEST_RFLAGS, 0x300), set([F.GUEST_INTERRUPTIBILITY_STATE, C.BLOCKING_BY_STI])),
  "the VMCS link pointer is all ones or a page of physical memory": set([F.VMCS_LINK_POINTER, 4]),
  "reserved bits of the guest's PDPTEs are clear": all(or(F.GUEST_CR0, 0x80000000), or(F.GUEST_CR4, 0x20), set([F.GUEST_PDPTE2, 3])),
};

for (const s of ["ES", "CS", "SS", "DS", "FS", "GS", "TR"] as const) {
  CASES[`host ${s} selector has TI and RPL 0`] = or(F[`HOST_${s}_SELECTOR`], 3);
}
for (const s of ["CS", "SS", "DS", "ES", "FS", "GS"] as const) {
  const good = s === "CS" ? 0xc09b : 0xc093;
  CASES[`${s}.base is its selector << 4 in virtual-8086 mode`] = all(v86, set([F[`GUEST_${s}_BASE`], 0]));
  CASES[`${s}.limit is 0xffff in virtual-8086 mode`] = all(v86, set([F[`GUEST_${s}_LIMIT`], 0xfffff]));
  CASES[`${s}'s access rights are 0xf3 in virtual-8086 mode`] = all(v86, rights(s, 0x93));
  CASES[`${s} is no system segment`] = rights(s, good & ~0x10);
  CASES[`${s} is present`] = rights(s, good & ~0x80);
  CASES[`reserved bits of ${s}'s access rights are clear`] = rights(s, good | 0x100);
  CASES[`${s}.G goes with its limit`] = set([F[`GUEST_${s}_LIMIT`], 0x12345]);
}
for (const s of ["DS", "ES", "FS", "GS"] as const) {
  CASES[`${s} is accessed, and readable if code`] = rights(s, 0xc099);
  CASES[`${s}.DPL is not below its RPL`] = all(restricted, or(F[`GUEST_${s}_SELECTOR`], 3));
}
for (const [s, good] of [["TR", 0x8b], ["LDTR", 0x82]] as const) {
  CASES[`${s} is a system segment`] = rights(s, good | 0x10);
  CASES[`${s} is present`] = rights(s, good & ~0x80);
  CASES[`reserved bits of ${s}'s access rights are clear`] = rights(s, good | 0x200);
  CASES[`${s}.G goes with its limit`] = all(rights(s, good), set([F[`GUEST_${s}_LIMIT`], 0x123456]));
}

checks("the state we enter with violates nothing, under EPT and with shadow tables", () => {
  for (const mmu of ["ept", "shadow"] as const) {
    const { vcpu } = rootRig(mmu);
    assert.is(firstViolation(ALL_RULES, vcpu.vmcs, vcpu.memory.size), undefined);
  }
});

checks("virtual-8086 mode, real-address mode and a halted guest can be entered", () => {
  const states: readonly Break[] = [
    v86, all(set([F.GUEST_CR0, 0x20]), rights("CS", 0x9b), set([F.GUEST_CS_LIMIT, 0xffff])),
    all(or(F.GUEST_RFLAGS, 0x200), set([F.GUEST_ACTIVITY_STATE, C.ACTIVITY_HLT]), inject(C.TYPE_EXTERNAL_INTERRUPT, 0x20)),
  ];
  for (const state of states) {
    const { vcpu } = rootRig();
    state(vcpu.vmcs);
    assert.is(firstViolation(ALL_RULES, vcpu.vmcs, vcpu.memory.size)?.rule, undefined);
  }
});

checks("each rule is violated once, and is then the one named", () => {
  for (const rule of ALL_RULES) {
    const breaks = CASES[rule.rule];
    assert.ok(breaks, `no case for "${rule.rule}"`);
    const { vcpu } = rootRig();
    breaks(vcpu.vmcs);
    assert.ok(rule.violated(vcpu.vmcs, vcpu.memory.size), `"${rule.rule}" holds`);
  }
  for (const name of Object.keys(CASES)) assert.ok(ALL_RULES.some((rule) => rule.rule === name), `no rule "${name}"`);
});

checks("a bad guest state is exit 33 with bit 31, saves nothing, and stops the run by name", () => {
  const { vcpu, cpu } = rootRig();
  vcpu.vmcs.set(F.GUEST_RFLAGS, 0);
  vcpu.vmcs.set(F.GUEST_RIP, 0x1234);
  const exit = vmEntry(vcpu);
  assert.is(exit!.reason, REASON.entry_failure_guest_state | ENTRY_FAILURE);
  assert.match(vcpu.violatedRule, /RFLAGS.*26\.3\.1\.4/);
  assert.is.not(cpu.eip, 0x1234);
});

checks("the qualification tells bad PDPTEs, NMI blocking and the link pointer apart", () => {
  const expected: readonly (readonly [string, number])[] = [
    ["reserved bits of the guest's PDPTEs are clear", 2], ["no NMI is injected while blocked by STI", 3],
    ["the VMCS link pointer is all ones or a page of physical memory", 4], ["GDTR's limit fits in 16 bits", 0],
  ];
  for (const [name, qualification] of expected) {
    const { vcpu } = rootRig();
    CASES[name]!(vcpu.vmcs);
    vcpu.vmx.controlsChanged = false;
    assert.is(vmEntry(vcpu)!.qualification, qualification, name);
  }
});

checks("an MSR-load list with an entry that cannot be loaded is exit 34, with the entry's number", () => {
  const { vcpu, machine } = rootRig();
  const list = vcpu.newFrame();
  machine.memory.write32(list, 0x174);
  machine.memory.write32(list + 8, 0x1234);
  machine.memory.write32(list + 16, 0xc0000100 | 0);
  vcpu.write(F.VM_ENTRY_MSR_LOAD_ADDRESS, list);
  vcpu.write(F.VM_ENTRY_MSR_LOAD_COUNT, 2);
  const exit = vmEntry(vcpu);
  assert.is(exit!.reason, REASON.entry_failure_msr_loading | ENTRY_FAILURE);
  assert.is(exit!.qualification, 2);
  assert.equal(vcpu.cpu.msrs.get(0x174), [0x1234, 0]);
});

checks.run();
