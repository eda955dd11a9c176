/**
 * trivisor as a library: a PC for one guest, native or under a way to virtualize it, and the counts of what it cost.
 * The command line is built on exactly this.
 */
export { createVm } from "./vm/create.js";
export { Vm } from "./vm/vm.js";
export type { RunLimits, Space, VmListeners, VmOutcome, VmStats } from "./vm/vm.js";
export { MMUS, MODES } from "./vm/options.js";
export type { MmuKind, Mode, VmOptions } from "./vm/options.js";
export type { WrongInstruction } from "./vm/assembly.js";
export { REGISTER_NAMES } from "./vm/registers.js";
export type { RegisterName } from "./vm/registers.js";
export { loadProfile, profileNames } from "./vm/profiles.js";
export { UsageError } from "./hypervisor/errors.js";
export type { CostProfile, EventListener } from "./hypervisor/ledger.js";
export { FileBackend, MemoryBackend } from "./hypervisor/devices/block-backend.js";
export type { BlockBackend } from "./hypervisor/devices/block-backend.js";
