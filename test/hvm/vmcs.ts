import { suite } from "uvu";
import * as assert from "uvu/assert";
import { F, FIELD_WORD, fieldName, groupOf, HIGH, isReadOnly, widthOf } from "../../hvm/vmcs-fields.js";
import { VM_FAIL_INVALID, VmInstructionError, VMCS_REVISION, VmxRoot } from "../../hvm/vmcs.js";
import { REASON, REASON_NAMES } from "../../hvm/exit-reasons.js";
import { vmEntry } from "../../hvm/entry.js";
import { HANDLERS } from "../../hvm/handlers/index.js";
import { ROWS } from "../../translator/isa/opcodes.js";
import { createRig, rootRig } from "./rig.js";

const vmcs = suite("vmcs");

/** A processor in VMX operation without a current VMCS: VMXON region at `on`, a frame for a VMCS at `region`. */
function root(): { vmx: VmxRoot; on: number; region: number; memory: ReturnType<typeof createRig>["machine"]["memory"]; count: (name: string) => number } {
  const { machine, vcpu } = createRig();
  const vmx = new VmxRoot(machine.memory, machine.ledger);
  const on = vcpu.newFrame(), region = vcpu.newFrame();
  machine.memory.write32(on, VMCS_REVISION);
  vmx.vmxon(on);
  const before = { "vmcs.read": machine.ledger.countOf("vmcs.read"), "vmcs.write": machine.ledger.countOf("vmcs.write") };
  return { vmx, on, region, memory: machine.memory, count: (name) => machine.ledger.countOf(name) - (before[name as keyof typeof before] ?? 0) };
}

function fails(number: number, act: () => void): void {
  assert.throws(act, (error: unknown) => error instanceof VmInstructionError && error.number === number);
}

vmcs("encodings say type and width, and no two fields share storage", () => {
  const seen = new Set<number>();
  for (const [name, encoding] of Object.entries(F)) {
    assert.is(encoding & 1, 0, name);
    const words = widthOf(encoding) === 64 ? [encoding, encoding + HIGH] : [encoding];
    for (const e of words) {
      assert.ok(FIELD_WORD[e]! > 2, name);
      assert.not(seen.has(FIELD_WORD[e]!), name);
      seen.add(FIELD_WORD[e]!);
    }
    if (name.startsWith("GUEST_") && encoding !== F.GUEST_PHYSICAL_ADDRESS && encoding !== F.GUEST_LINEAR_ADDRESS) assert.is(groupOf(encoding), "guest_state", name);
    if (name.startsWith("HOST_")) assert.is(groupOf(encoding), "host_state", name);
  }
  assert.ok(Math.max(...seen) < 1024);
});

vmcs("some of appendix B, by hand", () => {
  const rows: readonly (readonly [number, string, number, boolean])[] = [
    [0x681e, "GUEST_RIP", 32, false], [0x4402, "EXIT_REASON", 32, true], [0x2400, "GUEST_PHYSICAL_ADDRESS", 64, true],
    [0x0802, "GUEST_CS_SELECTOR", 16, false], [0x201a, "EPT_POINTER", 64, false], [0x6400, "EXIT_QUALIFICATION", 32, true], [0x6c16, "HOST_RIP", 32, false],
  ];
  for (const [encoding, name, width, readOnly] of rows) {
    assert.is(fieldName(encoding), name);
    assert.is(widthOf(encoding), width);
    assert.is(isReadOnly(encoding), readOnly);
  }
  assert.is(fieldName(0x201b), "EPT_POINTER_HIGH");
});

vmcs("VMXON twice is error 15 with a current VMCS, VMfailInvalid without", () => {
  const { vmx, on, region, memory } = root();
  fails(VM_FAIL_INVALID, () => vmx.vmxon(on));
  memory.write32(region, VMCS_REVISION);
  vmx.vmptrld(region);
  fails(15, () => vmx.vmxon(on));
  assert.is(vmx.vmread(F.VM_INSTRUCTION_ERROR), 15);
});

vmcs("VMCLEAR and VMPTRLD refuse bad addresses, the VMXON region and a foreign revision", () => {
  const { vmx, on, region, memory } = root();
  memory.write32(region, VMCS_REVISION);
  vmx.vmptrld(region);
  fails(2, () => vmx.vmclear(region + 4));
  fails(2, () => vmx.vmclear(memory.size));
  fails(3, () => vmx.vmclear(on));
  fails(9, () => vmx.vmptrld(8));
  fails(10, () => vmx.vmptrld(on));
  memory.write32(region, VMCS_REVISION + 1);
  fails(11, () => vmx.vmptrld(region));
  assert.is(vmx.vmptrst(), region);
  vmx.vmclear(region);
  assert.is(vmx.vmptrst(), -1);
});

vmcs("VMREAD and VMWRITE: counted, by width, read-only and unknown fields refused", () => {
  const { vmx, region, memory, count } = root();
  fails(VM_FAIL_INVALID, () => vmx.vmread(F.GUEST_RIP));
  memory.write32(region, VMCS_REVISION);
  vmx.vmptrld(region);
  vmx.vmwrite(F.GUEST_RIP, -2);
  assert.is(vmx.vmread(F.GUEST_RIP), -2);
  vmx.vmwrite(F.GUEST_CS_SELECTOR, 0x12345);
  assert.is(vmx.vmread(F.GUEST_CS_SELECTOR), 0x2345);
  vmx.vmwrite(F.TSC_OFFSET, 1);
  vmx.vmwrite(F.TSC_OFFSET + HIGH, 2);
  assert.is(vmx.vmread(F.TSC_OFFSET), 1);
  assert.is(vmx.vmread(F.TSC_OFFSET + HIGH), 2);
  assert.is(count("vmcs.write"), 4);
  assert.is(count("vmcs.read"), 5);
  fails(13, () => vmx.vmwrite(F.EXIT_REASON, 0));
  fails(12, () => vmx.vmread(0x6666));
  fails(12, () => vmx.vmwrite(0x4826 + HIGH, 0));
  assert.is(vmx.vmread(F.VM_INSTRUCTION_ERROR), 12);
});

vmcs("VM entry with a bad control is error 7, with bad host state error 8, and names the rule", () => {
  const controls = rootRig();
  controls.vcpu.write(F.CR3_TARGET_COUNT, 5);
  assert.throws(() => vmEntry(controls.vcpu), /error 7.*CR3-target count/);
  assert.is(controls.vcpu.read(F.VM_INSTRUCTION_ERROR), 7);
  const host = rootRig();
  host.vcpu.write(F.HOST_TR_SELECTOR, 0);
  assert.throws(() => vmEntry(host.vcpu), /error 8.*TR selector is not null/);
});

vmcs("the launch state goes from clear to launched at the first entry", () => {
  const { vcpu } = rootRig();
  assert.not(vcpu.vmcs.launched);
  assert.is(vmEntry(vcpu), undefined);
  assert.ok(vcpu.vmcs.launched);
  vcpu.vmx.vmclear(vcpu.vmcs.address);
  assert.not(vcpu.vmcs.launched);
});

vmcs("every exit the opcode table names is a basic exit reason, with a handler if our controls cause it", () => {
  const aliases: Readonly<Record<string, string>> = { exception_or_nmi: "exception_nmi" };
  for (const row of ROWS) {
    if (row.exit === null) continue;
    const name = aliases[row.exit] ?? row.exit;
    assert.ok(name in REASON, `${row.mnemonic}: ${row.exit}`);
  }
  assert.is(REASON_NAMES[48], "ept_violation");
  assert.is(REASON_NAMES[35], undefined);
  assert.is(HANDLERS[REASON.apic_access], undefined);
});

vmcs.run();
