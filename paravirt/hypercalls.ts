import * as S from "../hypervisor/cpu-state.js";
import { callbackOp, fpuTaskswitch, nmiOp, setCallbacks, stackSwitch } from "./callbacks.js";
import { consoleIo } from "./console.js";
import { setGdt, updateDescriptor } from "./descriptor-tables.js";
import type { Domain } from "./domain.js";
import { eventChannelOp, eventChannelOpCompat } from "./event-channel-op.js";
import { grantTableOp } from "./grant-table-op.js";
import { Continuation, type HypercallResult } from "./hypercall-result.js";
import { iret } from "./iret.js";
import { memoryOp } from "./memory-op.js";
import { mmuextOp } from "./mmuext.js";
import { mmuUpdate, updateVaMapping, updateVaMappingOtherdomain } from "./mmu-update.js";
import { multicall } from "./multicall.js";
import { physdevOp, physdevOpCompat } from "./physdev.js";
import { ENOSYS, EPERM } from "../hypervisor/xen/public/errno.js";
import { schedOp, schedOpCompat, setTimerOp, vcpuOp } from "./sched.js";
import { getDebugreg, setDebugreg, setTrapTable } from "./trap-table.js";
import { xenVersion } from "./version.js";
import { vmAssist } from "./vm-assist.js";

/** What an argument is; "u64" takes two registers, low word first. Pointers are checked where they are used. */
type Argument = "u32" | "u64" | "ptr";
type Handler = (d: Domain, args: readonly number[]) => HypercallResult;

/** A row of the table. `direct`: the handler has set the guest's registers, EAX included, and EIP. */
export interface Hypercall {
  readonly number: number;
  readonly name: string;
  readonly args: readonly Argument[];
  readonly handler: Handler;
  readonly direct?: boolean;
}

const denied: Handler = () => -EPERM;
const row = (number: number, name: string, args: string, handler: Handler, direct = false): Hypercall =>
  ({ number, name, args: args === "" ? [] : args.split(" ") as Argument[], handler, direct });

/** Every hypercall of the interface that this hypervisor has (public/xen.h, __HYPERVISOR_*). Others answer -ENOSYS. */
export const HYPERCALLS: readonly Hypercall[] = [
  row(0, "set_trap_table", "ptr", setTrapTable),
  row(1, "mmu_update", "ptr u32 ptr u32", mmuUpdate),
  row(2, "set_gdt", "ptr u32", setGdt),
  row(3, "stack_switch", "u32 u32", stackSwitch),
  row(4, "set_callbacks", "u32 u32 u32 u32", setCallbacks),
  row(5, "fpu_taskswitch", "u32", fpuTaskswitch),
  row(6, "sched_op_compat", "u32 u32", schedOpCompat),
  row(7, "platform_op", "ptr", denied),
  row(8, "set_debugreg", "u32 u32", setDebugreg),
  row(9, "get_debugreg", "u32", getDebugreg),
  row(10, "update_descriptor", "u64 u64", updateDescriptor),
  row(12, "memory_op", "u32 ptr", memoryOp),
  row(13, "multicall", "ptr u32", multicall),
  row(14, "update_va_mapping", "u32 u64 u32", updateVaMapping),
  row(15, "set_timer_op", "u64", setTimerOp),
  row(16, "event_channel_op_compat", "ptr", eventChannelOpCompat),
  row(17, "xen_version", "u32 ptr", xenVersion),
  row(18, "console_io", "u32 u32 ptr", consoleIo),
  row(19, "physdev_op_compat", "ptr", physdevOpCompat),
  row(20, "grant_table_op", "u32 ptr u32", grantTableOp),
  row(21, "vm_assist", "u32 u32", vmAssist),
  row(22, "update_va_mapping_otherdomain", "u32 u64 u32 u32", updateVaMappingOtherdomain),
  row(23, "iret", "", iret, true),
  row(24, "vcpu_op", "u32 u32 ptr", vcpuOp),
  row(26, "mmuext_op", "ptr u32 ptr u32", mmuextOp),
  row(28, "nmi_op", "u32 ptr", nmiOp),
  row(29, "sched_op", "u32 ptr", schedOp),
  row(30, "callback_op", "u32 ptr", callbackOp),
  row(32, "event_channel_op", "u32 ptr", eventChannelOp),
  row(33, "physdev_op", "u32 ptr", physdevOp),
  row(35, "sysctl", "ptr", denied),
  row(36, "domctl", "ptr", denied),
];

/** Entries of the hypercall page. */
export const HYPERCALL_SLOTS = 128;
const ARGUMENT_REGISTERS = [S.EBX, S.ECX, S.EDX, S.ESI, S.EDI];
const words = (call: Hypercall): number => call.args.reduce((n, arg) => n + (arg === "u64" ? 2 : 1), 0);

/** The dispatcher of one domain: the table by number, with each call's argument words and ledger event. */
export class Hypercalls {
  private readonly d: Domain;
  private readonly rows: ({ readonly call: Hypercall; readonly words: number; readonly event: number; readonly listed: number } | undefined)[] = [];
  private readonly unknownEvent: number;
  inMulticall = false;

  constructor(d: Domain, table: readonly Hypercall[] = HYPERCALLS) {
    this.d = d;
    for (const call of table) {
      this.rows[call.number] = { call, words: words(call), event: d.ledger.id(`hypercall.${call.name}`), listed: d.ledger.id(`hypercall.multicall.${call.name}`) };
    }
    this.unknownEvent = d.ledger.id("hypercall.unknown");
  }

  /** Makes call `number`; `args` may hold more words than it takes. An unknown one is -ENOSYS. */
  call(number: number, args: readonly number[]): HypercallResult {
    const entry = this.rows[number];
    // A return to the guest makes no sense in the middle of a list.
    if (entry === undefined || (entry.call.direct === true && this.inMulticall)) {
      this.d.ledger.count(this.unknownEvent);
      return -ENOSYS;
    }
    // Calls of a list cost their work, not the way in and out: they have names of their own.
    this.d.ledger.count(this.inMulticall ? entry.listed : entry.event);
    return entry.call.handler(this.d, args.slice(0, entry.words));
  }

  /** The guest's INT 0x82 at EIP, `next` after it: number in EAX, arguments in EBX, ECX, EDX, ESI, EDI, result in EAX. */
  enter(next: number): void {
    const { d } = this;
    const { i32 } = d.cpu;
    const number = i32[S.EAX] >>> 0;
    const here = d.cpu.eip;
    d.cpu.eip = next;
    const result = this.call(number, ARGUMENT_REGISTERS.map((r) => i32[r] >>> 0));
    if (result instanceof Continuation) {
      // The guest executes the INT again, with what is left to do.
      result.args.forEach((value, i) => { i32[ARGUMENT_REGISTERS[i]] = value | 0; });
      d.cpu.eip = here;
    } else i32[S.EAX] = result | 0;
  }
}
