// Instructions that touch segments, control transfers between them, interrupts, ports and processor control:
// all that a virtual machine monitor has an interest in (SDM volume 2 appendix A; volume 3 chapters 2, 5, 6).

import { op } from './opcodes-notation.js';
import type { Facts, Row } from './opcodes-notation.js';

const PUSH_SREG: Facts = { sensitive: true, cost: 'stack', text: 'push' };
// Segment loads end a block: bases, the stack's width and the interrupt shadow of SS change under it.
const POP_SREG: Facts = { sensitive: true, ends: 'system', cost: 'segment', text: 'pop' };
const LOAD_FAR_POINTER: Facts = { sensitive: 'LOAD_SREG', ends: 'system', cost: 'segment' };
const FAR: Facts = { sensitive: true, ends: 'far', exit: 'task_switch', cost: 'far' };
const FAR_RETURN: Facts = { sensitive: true, ends: 'far', cost: 'far', text: 'retf' };
const PORT: Facts = { cpl: 'iopl', sensitive: true, exit: 'io_instruction', ends: 'system', cost: 'io' };
const PORT_STRING: Facts = { ...PORT, flags: 'r:D', rep: 'rep' };
const INTERRUPT_FLAG: Facts = { cpl: 'iopl', sensitive: true, flags: 'm:I', cost: 'system' };
const SOFTWARE_INTERRUPT: Facts = { sensitive: true, ends: 'far', exit: 'task_switch', flags: 'r:CPAZSTIDOLNRVK m:TINRV', cost: 'far' };
const PRIVILEGED: Facts = { cpl: 0, sensitive: true, cost: 'system' };
const DESCRIPTOR_TABLE: Facts = { exit: 'gdtr_idtr_access', cost: 'system' };
const SYSTEM_SEGMENT: Facts = { exit: 'ldtr_tr_access', protectedMode: true, cost: 'system' };
const SEGMENT_PROBE: Facts = { sensitive: true, flags: 'w:Z', protectedMode: true, cost: 'segment' };
const CONTROL_REGISTER: Facts = { cpl: 0, sensitive: 'MOV_CR', exit: 'cr_access', flags: 'u:OSZAPC', cost: 'system', text: 'mov' };
const DEBUG_REGISTER: Facts = { cpl: 0, sensitive: 'MOV_DR', exit: 'mov_dr', flags: 'u:OSZAPC', cost: 'system', text: 'mov' };
const VMX: Facts = { sensitive: true, ends: 'system', feature: 'vmx', flags: 'w:OSZAPC', cost: 'system' };
const VMX_ROOT: Facts = { ...VMX, cpl: 0, protectedMode: true };

export const SYSTEM_ROWS: readonly Row[] = [
  op('06', 'PUSH_SREG', 'ES', PUSH_SREG),
  op('07', 'POP_SREG', 'ES', POP_SREG),
  op('0e', 'PUSH_SREG', 'CS', PUSH_SREG),
  op('16', 'PUSH_SREG', 'SS', PUSH_SREG),
  op('17', 'POP_SREG', 'SS', POP_SREG),
  op('1e', 'PUSH_SREG', 'DS', PUSH_SREG),
  op('1f', 'POP_SREG', 'DS', POP_SREG),
  op('0f a0', 'PUSH_SREG', 'FS', PUSH_SREG),
  op('0f a1', 'POP_SREG', 'FS', POP_SREG),
  op('0f a8', 'PUSH_SREG', 'GS', PUSH_SREG),
  op('0f a9', 'POP_SREG', 'GS', POP_SREG),
  // The decoder refuses segment numbers 6 and 7, and CS as the destination.
  op('8c', 'MOV_FROM_SREG', 'Rv/Mw,Sw', { sensitive: 'MOV_SREG', text: 'mov' }),
  op('8e', 'MOV_TO_SREG', 'Sw,Ew', { sensitive: 'MOV_SREG', ends: 'system', cost: 'segment', text: 'mov' }),
  op('c4 mem', 'LES', 'Gv,Mp', LOAD_FAR_POINTER),
  op('c5 mem', 'LDS', 'Gv,Mp', LOAD_FAR_POINTER),
  op('0f b2 mem', 'LSS', 'Gv,Mp', LOAD_FAR_POINTER),
  op('0f b4 mem', 'LFS', 'Gv,Mp', LOAD_FAR_POINTER),
  op('0f b5 mem', 'LGS', 'Gv,Mp', LOAD_FAR_POINTER),

  op('9a', 'CALLF', 'Ap', { ...FAR, text: 'call far' }),
  op('ff/3 mem', 'CALLF', 'Mp', { ...FAR, text: 'call far' }),
  op('ea', 'JMPF', 'Ap', { ...FAR, text: 'jmp far' }),
  op('ff/5 mem', 'JMPF', 'Mp', { ...FAR, text: 'jmp far' }),
  op('ca', 'RETF', 'Iw', FAR_RETURN),
  op('cb', 'RETF', '', FAR_RETURN),
  op('cc', 'INT3', '', { ...SOFTWARE_INTERRUPT, exit: 'exception_or_nmi' }),
  op('cd', 'INT', 'Ib', { ...SOFTWARE_INTERRUPT, cpl: 'v86' }),
  op('ce', 'INTO', '', { ...SOFTWARE_INTERRUPT, exit: 'exception_or_nmi' }),
  op('f1', 'INT1', '', { ...SOFTWARE_INTERRUPT, exit: 'exception_or_nmi' }),
  op('cf', 'IRET', '', { ...FAR, cpl: 'v86', flags: 'r:NV w:OSZAPCTDN m:ILRVK', text: 'iret|iretd' }),
  op('9c', 'PUSHF', '', { cpl: 'v86', sensitive: true, flags: 'r:CPAZSTIDOLNRVK', cost: 'stack', text: 'pushf|pushfd' }),
  op('9d', 'POPF', '', { cpl: 'v86', sensitive: true, flags: 'w:OSZAPCTDN m:ILK', ends: 'system', cost: 'stack', text: 'popf|popfd' }),
  op('fa', 'CLI', '', INTERRUPT_FLAG),
  op('fb', 'STI', '', { ...INTERRUPT_FLAG, ends: 'system' }),

  op('6c', 'INS', 'Yb,DX', PORT_STRING),
  op('6d', 'INS', 'Yv,DX', PORT_STRING),
  op('6e', 'OUTS', 'DX,Xb', PORT_STRING),
  op('6f', 'OUTS', 'DX,Xv', PORT_STRING),
  op('e4', 'IN', 'AL,Ib', PORT),
  op('e5', 'IN', 'eAX,Ib', PORT),
  op('e6', 'OUT', 'Ib,AL', PORT),
  op('e7', 'OUT', 'Ib,eAX', PORT),
  op('ec', 'IN', 'AL,DX', PORT),
  op('ed', 'IN', 'eAX,DX', PORT),
  op('ee', 'OUT', 'DX,AL', PORT),
  op('ef', 'OUT', 'DX,eAX', PORT),

  op('f4', 'HLT', '', { ...PRIVILEGED, exit: 'hlt', ends: 'system' }),
  op('0f 00/0', 'SLDT', 'Rv/Mw', { ...SYSTEM_SEGMENT, sensitive: true }),
  op('0f 00/1', 'STR', 'Rv/Mw', { ...SYSTEM_SEGMENT, sensitive: true }),
  op('0f 00/2', 'LLDT', 'Ew', { ...SYSTEM_SEGMENT, sensitive: true, cpl: 0, ends: 'system' }),
  op('0f 00/3', 'LTR', 'Ew', { ...SYSTEM_SEGMENT, sensitive: true, cpl: 0, ends: 'system' }),
  op('0f 00/4', 'VERR', 'Ew', SEGMENT_PROBE),
  op('0f 00/5', 'VERW', 'Ew', SEGMENT_PROBE),
  op('0f 01/0 mem', 'SGDT', 'Ms', { ...DESCRIPTOR_TABLE, sensitive: true }),
  op('0f 01/1 mem', 'SIDT', 'Ms', { ...DESCRIPTOR_TABLE, sensitive: true }),
  op('0f 01/2 mem', 'LGDT', 'Ms', { ...DESCRIPTOR_TABLE, sensitive: true, cpl: 0, ends: 'system' }),
  op('0f 01/3 mem', 'LIDT', 'Ms', { ...DESCRIPTOR_TABLE, sensitive: true, cpl: 0, ends: 'system' }),
  op('0f 01/4', 'SMSW', 'Rv/Mw', { sensitive: true, cost: 'system' }),
  op('0f 01/6', 'LMSW', 'Ew', { ...PRIVILEGED, exit: 'cr_access', ends: 'system' }),
  op('0f 01/7 mem', 'INVLPG', 'M', { ...PRIVILEGED, exit: 'invlpg', ends: 'system', feature: '486' }),
  op('0f 02', 'LAR', 'Gv,Ew', SEGMENT_PROBE),
  op('0f 03', 'LSL', 'Gv,Ew', SEGMENT_PROBE),
  op('0f 06', 'CLTS', '', { ...PRIVILEGED, exit: 'cr_access', ends: 'system' }),
  op('0f 08', 'INVD', '', { ...PRIVILEGED, exit: 'invd', feature: '486' }),
  op('0f 09', 'WBINVD', '', { ...PRIVILEGED, exit: 'wbinvd', feature: '486' }),
  op('0f 0b', 'UD2', '', { ends: 'system', exit: 'exception_or_nmi', cost: 'system' }),
  // The decoder refuses control registers 1 and 5..7. ModRM mod is ignored: always registers.
  op('0f 20', 'MOV_FROM_CR', 'Rd,Cd', CONTROL_REGISTER),
  op('0f 21', 'MOV_FROM_DR', 'Rd,Dd', DEBUG_REGISTER),
  op('0f 22', 'MOV_TO_CR', 'Cd,Rd', { ...CONTROL_REGISTER, ends: 'system' }),
  op('0f 23', 'MOV_TO_DR', 'Dd,Rd', { ...DEBUG_REGISTER, ends: 'system' }),
  op('0f 30', 'WRMSR', '', { ...PRIVILEGED, exit: 'wrmsr', ends: 'system', feature: 'msr' }),
  op('0f 31', 'RDTSC', '', { cpl: 'tsd', sensitive: true, exit: 'rdtsc', feature: 'tsc', cost: 'system' }),
  op('0f 32', 'RDMSR', '', { ...PRIVILEGED, exit: 'rdmsr', feature: 'msr' }),
  op('0f 33', 'RDPMC', '', { cpl: 'pce', sensitive: true, exit: 'rdpmc', feature: 'p6', cost: 'system' }),
  // In real-address mode these two are #GP, not #UD.
  op('0f 34', 'SYSENTER', '', { sensitive: true, ends: 'far', feature: 'sep', flags: 'w:IV', cost: 'far' }),
  op('0f 35', 'SYSEXIT', '', { cpl: 0, sensitive: true, ends: 'far', feature: 'sep', cost: 'far' }),
  op('0f a2', 'CPUID', '', { sensitive: true, exit: 'cpuid', feature: '486', cost: 'system' }),
  op('0f aa', 'RSM', '', { sensitive: true, exit: 'rsm', ends: 'far', feature: '586', flags: 'w:CPAZSTIDOLNRVK', cost: 'far' }),

  op('np 0f 01 c1', 'VMCALL', '', { ...VMX, exit: 'vmcall' }),
  op('np 0f 01 c2', 'VMLAUNCH', '', { ...VMX_ROOT, exit: 'vmlaunch' }),
  op('np 0f 01 c3', 'VMRESUME', '', { ...VMX_ROOT, exit: 'vmresume' }),
  op('np 0f 01 c4', 'VMXOFF', '', { ...VMX_ROOT, exit: 'vmxoff' }),
  op('np 0f 78', 'VMREAD', 'Ed,Gd', { ...VMX_ROOT, exit: 'vmread' }),
  op('np 0f 79', 'VMWRITE', 'Gd,Ed', { ...VMX_ROOT, exit: 'vmwrite' }),
  op('np 0f c7/6 mem', 'VMPTRLD', 'Mq', { ...VMX_ROOT, exit: 'vmptrld' }),
  op('66 0f c7/6 mem', 'VMCLEAR', 'Mq', { ...VMX_ROOT, exit: 'vmclear' }),
  op('f3 0f c7/6 mem', 'VMXON', 'Mq', { ...VMX_ROOT, exit: 'vmxon' }),
  op('np 0f c7/7 mem', 'VMPTRST', 'Mq', { ...VMX_ROOT, exit: 'vmptrst' }),
].flat();
