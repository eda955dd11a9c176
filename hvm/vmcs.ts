import { RAM_BASE } from "../hypervisor/heap.js";
import type { Ledger } from "../hypervisor/ledger.js";
import type { Memory } from "../hypervisor/memory.js";
import { ABORT_WORD, F, FIELD_WORD, fieldName, groupOf, isReadOnly, LAUNCH_WORD, REVISION_WORD, widthOf } from "./vmcs-fields.js";

/** Revision identifier of this processor's VMCS layout (IA32_VMX_BASIC bits 30:0; SDM vol. 3C, 24.2 and A.1). */
export const VMCS_REVISION = 0x12;

/** VM-instruction error numbers (SDM vol. 3C, 30.4). */
export const VM_ERRORS: Readonly<Record<number, string>> = {
  1: "VMCALL executed in VMX root operation",
  2: "VMCLEAR with invalid physical address",
  3: "VMCLEAR with VMXON pointer",
  4: "VMLAUNCH with non-clear VMCS",
  5: "VMRESUME with non-launched VMCS",
  7: "VM entry with invalid control field(s)",
  8: "VM entry with invalid host-state field(s)",
  9: "VMPTRLD with invalid physical address",
  10: "VMPTRLD with VMXON pointer",
  11: "VMPTRLD with incorrect VMCS revision identifier",
  12: "VMREAD/VMWRITE from/to unsupported VMCS component",
  13: "VMWRITE to read-only VMCS component",
  15: "VMXON executed in VMX root operation",
};
export const VM_FAIL_INVALID = 0;

/**
 * A VM instruction of the monitor's failed (SDM vol. 3C, 30.2): `number` is VMfailValid's error number, which is in the
 * current VMCS as well, or VM_FAIL_INVALID when there is no current VMCS to hold one.
 */
export class VmInstructionError extends Error {
  readonly number: number;

  constructor(number: number, detail = "") {
    super(number === VM_FAIL_INVALID ? "VMfailInvalid" : `VM-instruction error ${number}: ${VM_ERRORS[number]}${detail && ` (${detail})`}`);
    this.number = number;
  }
}

/** One VMCS region in machine memory, as the processor itself accesses it: by encoding, without any check. */
export class Vmcs {
  private readonly i32: Int32Array;
  private readonly base: number;
  /** Machine-physical address of the region. */
  readonly address: number;

  constructor(memory: Memory, address: number) {
    this.i32 = memory.heap.i32;
    this.base = (RAM_BASE + address) >>> 2;
    this.address = address;
  }

  get revision(): number { return this.i32[this.base + REVISION_WORD]!; }
  set revision(value: number) { this.i32[this.base + REVISION_WORD] = value; }
  get abort(): number { return this.i32[this.base + ABORT_WORD]!; }
  get launched(): boolean { return this.i32[this.base + LAUNCH_WORD] !== 0; }
  set launched(value: boolean) { this.i32[this.base + LAUNCH_WORD] = value ? 1 : 0; }

  /** Signed; of a 64-bit field the low half, or the high half with HIGH added to the encoding. */
  get(encoding: number): number { return this.i32[this.base + FIELD_WORD[encoding]!]!; }
  set(encoding: number, value: number): void { this.i32[this.base + FIELD_WORD[encoding]!] = value; }
}

/**
 * VMX root operation: the instructions with which a monitor manages VMCSs (SDM vol. 3C, ch. 30), for a monitor that is
 * not x86 code. Every one of them throws VmInstructionError where the instruction would fail. VMREAD and VMWRITE are counted.
 */
export class VmxRoot {
  private readonly memory: Memory;
  private readonly ledger: Ledger;
  private readonly readEvent: number;
  private readonly writeEvent: number;
  private vmxonPointer = -1;
  /** A control or host-state field was written since VM entry last checked them all; the checks depend on nothing else. */
  controlsChanged = true;
  /** The current VMCS, undefined when the current-VMCS pointer is not valid. */
  current: Vmcs | undefined = undefined;

  constructor(memory: Memory, ledger: Ledger) {
    this.memory = memory;
    this.ledger = ledger;
    this.readEvent = ledger.id("vmcs.read");
    this.writeEvent = ledger.id("vmcs.write");
  }

  /** Enters VMX operation with the VMXON region at `address`, which starts with the revision identifier. */
  vmxon(address: number): void {
    if (this.vmxonPointer >= 0) this.fail(15);
    if (!this.isRegion(address) || this.memory.read32(address) !== VMCS_REVISION) throw new VmInstructionError(VM_FAIL_INVALID);
    this.vmxonPointer = address;
  }

  /** Makes the VMCS at `address` clear and not current. */
  vmclear(address: number): void {
    this.requireRegion(address, 2, 3);
    new Vmcs(this.memory, address).launched = false;
    if (this.current?.address === address) this.current = undefined;
  }

  /** Makes the VMCS at `address` current. */
  vmptrld(address: number): void {
    this.requireRegion(address, 9, 10);
    const vmcs = new Vmcs(this.memory, address);
    if (vmcs.revision !== VMCS_REVISION) this.fail(11);
    this.current = vmcs;
    this.controlsChanged = true;
  }

  /** The current-VMCS pointer, -1 without one. */
  vmptrst(): number {
    return this.current?.address ?? -1;
  }

  vmread(encoding: number): number {
    this.ledger.count(this.readEvent);
    const vmcs = this.currentVmcs();
    if (!isField(encoding)) this.fail(12, fieldName(encoding));
    return vmcs.get(encoding);
  }

  vmwrite(encoding: number, value: number): void {
    this.ledger.count(this.writeEvent);
    const vmcs = this.currentVmcs();
    if (!isField(encoding)) this.fail(12, fieldName(encoding));
    if (isReadOnly(encoding)) this.fail(13, fieldName(encoding));
    if (groupOf(encoding) !== "guest_state") this.controlsChanged = true;
    vmcs.set(encoding, widthOf(encoding) === 16 ? value & 0xffff : value);
  }

  /** The current VMCS as the processor sees it. */
  currentVmcs(): Vmcs {
    if (this.current === undefined) throw new VmInstructionError(VM_FAIL_INVALID);
    return this.current;
  }

  /** VMfailValid with this error number where there is a current VMCS, else VMfailInvalid. */
  fail(number: number, detail = ""): never {
    if (this.current === undefined) throw new VmInstructionError(VM_FAIL_INVALID);
    this.current.set(F.VM_INSTRUCTION_ERROR, number);
    throw new VmInstructionError(number, detail);
  }

  private requireRegion(address: number, invalid: number, isVmxon: number): void {
    if (this.vmxonPointer < 0) throw new VmInstructionError(VM_FAIL_INVALID);
    if (!this.isRegion(address)) this.fail(invalid);
    if (address === this.vmxonPointer) this.fail(isVmxon);
  }

  private isRegion(address: number): boolean {
    return (address & 0xfff) === 0 && address >= 0 && address < this.memory.size;
  }
}

function isField(encoding: number): boolean {
  return encoding >= 0 && encoding < FIELD_WORD.length && FIELD_WORD[encoding]! >= 0;
}
