; Questions about the processor as a system, asked of it by running them: see harness.inc for how, judge.ts for who has answered.
%include "harness.inc"

section .text
questions:

; ---- exceptions of instructions ----
TEST "DIV by zero"
  xor ecx, ecx
  div ecx
END
TEST "INT3, INTO, BOUND"
  STEPS 2
  int3
  mov al, 0x7f
  add al, 1
  into
  mov dword [PLAY], 1
  mov dword [PLAY + 4], 0x22222221
  bound ebx, [PLAY]
END
TEST "LOCK on a register"
  lock add eax, ebx
END
TEST "LOCK on MOV"
  lock mov [PLAY], eax
END
TEST "LOCK on CMP"
  lock cmp [PLAY], eax
END
TEST "LOCK on BT"
  lock bt [PLAY], eax
END
TEST "LOCK where it may be"
  mov dword [PLAY], 5
  lock inc dword [PLAY]
  lock xadd [PLAY], eax
  lock bts dword [PLAY], 31
  lock not dword [PLAY]
  lock neg byte [PLAY]
  mov ebx, [PLAY]
  lock cmpxchg [PLAY], ecx
  xchg [PLAY], edx
END
TEST "UD2"
  ud2
END
TEST "an instruction of 16 bytes"
  times 15 ds
  nop
END
TEST "LES from a register, LEA of one"
  db 0xc4, 0xc0
END
TEST "LEA of a register"
  db 0x8d, 0xc0
END
TEST "MOV CS"
  db 0x8e, 0xc8
END
TEST "MOV from CR1"
  db 0x0f, 0x20, 0xc8
END
TEST "x87 with TS, WAIT with MP and TS"
  mov eax, cr0
  or eax, 0x8
  mov cr0, eax
  wait
  fldz
END
TEST "WAIT with MP and TS"
  mov eax, cr0
  or eax, 0xa
  mov cr0, eax
  wait
END
TEST "an unmasked x87 error comes with the next x87 instruction"
  fninit
  push dword 0x37b
  fldcw [esp]
  fld1
  fldz
  fdivp
  nop
  fld1
END

; ---- segments ----
TEST "a segment's last byte, and one beyond"
  mov ax, LIMITED
  mov ds, ax
  mov al, [0xfff]
  mov ax, [0xffe]
  mov eax, [0xffd]
END
TEST "a limit of pages"
  mov ax, PAGE_LIMIT
  mov ds, ax
  mov eax, [0xffc]
  mov al, [0x1000]
END
TEST "a write to read-only data"
  mov ax, READONLY
  mov ds, ax
  mov eax, [0]
  mov [0], eax
END
TEST "a read of execute-only code"
  mov ax, CS0
  mov es, ax
  mov eax, [es:0x20000]
  mov ax, EXECONLY
  mov ds, ax
END
TEST "expand-down, 32 bits: at the limit"
  mov ax, DOWN32
  mov ds, ax
  mov eax, [0x2000]
  mov al, [0x1fff]
END
TEST "expand-down, 16 bits: above 64 KB"
  mov ax, DOWN16
  mov ds, ax
  mov al, [0xffff]
  mov ax, [0xffff]
END
TEST "through SS it is #SS"
  mov ax, STACKSEG
  mov ss, ax
  mov eax, [ss:0x2fffd]
END
TEST "a null data segment"
  xor eax, eax
  mov ds, ax
  mov eax, [0]
END
TEST "null into SS"
  xor eax, eax
  mov ss, ax
END
TEST "data beyond the GDT"
  mov ax, BEYOND
  mov ds, ax
END
TEST "data that is absent"
  mov ax, ABSENT
  mov ds, ax
END
TEST "a stack that is absent"
  mov ax, ABSENT
  mov ss, ax
END
TEST "SS with another RPL"
  mov ax, DS0 + 1
  mov ss, ax
END
TEST "SS from read-only data"
  mov ax, READONLY
  mov ss, ax
END
TEST "DS from the LDT; beyond it"
  mov ax, 4
  mov ds, ax
  lsl ebx, eax
  mov ax, 0x24
  mov ds, ax
END
TEST "the accessed bit"
  mov byte [gdt + LIMITED + 5], 0x92
  mov ax, LIMITED
  mov fs, ax
  mov ebx, [gdt + LIMITED + 4]
END
TEST "LTR of a busy task"
  mov ax, TSS_MAIN
  ltr ax
END
TEST "LLDT of data"
  mov ax, DS0
  lldt ax
END
TEST "LAR, LSL, VERR, VERW"
  mov ax, CALLGATE
  lar ebx, eax
  lsl ecx, eax
  setz cl
  mov ax, READONLY
  verw ax
  setz ch
  verr ax
  setz dl
  mov ax, BEYOND
  lar eax, eax
  setz dh
END

; ---- far transfers ----
TEST "JMP far to data"
  jmp DS0:0
END
TEST "JMP far to absent code"
  jmp CODE_ABSENT:0
END
TEST "JMP far to level 3's code"
  jmp CS3:0
END
TEST "JMP far to conforming code"
  jmp CONFORMING:%$there
%$there:
  mov ax, cs
END
TEST "CALL of an absent gate"
  call GATE_ABSENT:0
END
TEST "from level 3 through a call gate with two parameters, and back"
  USER 0x3002
  push dword 0x1234
  push dword 0x5678
  call CALLGATE:0
  mov ax, cs
END
TEST "from level 3 through a 16-bit call gate"
  USER 0x3002
  push word 0x1234
  push word 0x5678
  call CALLGATE16:0
END
TEST "from level 3 through level 0's gate"
  USER 0x3002
  call CALLGATE0 + 3:0
END
TEST "JMP through a gate into level 0"
  USER 0x3002
  jmp CALLGATE + 3:0
END
TEST "RET far outwards nulls inner segments"
  mov ax, DS0
  mov fs, ax
  mov ax, DS3
  mov gs, ax
  push dword DS3
  push dword STACK3
  push dword 0x99999999
  push dword CS3
  push dword %$out
  retf 4
%$out:
  mov ax, fs
  mov bx, gs
  mov cx, ds
END
TEST "RET far inwards"
  USER 0x3002
  push dword CS0
  push dword 0
  retf
END
TEST "IRET to level 3 with a stack of level 0"
  push dword DS0
  push dword STACK3
  push dword 2
  push dword CS3
  push dword 0
  iretd
END
TEST "IRET at level 3 keeps IF and IOPL"
  USER 0x2
  push dword 0x3202
  push dword CS3
  push dword %$same
  iretd
%$same:
  pushfd
  pop eax
END
TEST "SYSENTER without its MSRs"
  mov ecx, 0x174
  xor eax, eax
  xor edx, edx
  wrmsr
  sysenter
END
TEST "SYSENTER and SYSEXIT"
  mov ecx, 0x174
  mov eax, CS0
  xor edx, edx
  wrmsr
  inc ecx
  mov eax, STACK0
  wrmsr
  inc ecx
  mov eax, %$entered
  wrmsr
  USER 0x3202
  sysenter
%$entered:
  pushfd
  pop ebx
  mov edx, %$left
  mov ecx, STACK3 - 0x100
  sysexit
%$left:
  mov ax, cs
END

; ---- level 3 ----
%macro PRIVILEGED 2+
TEST %1
  USER 0x2
  %2
END
%endmacro
PRIVILEGED "level 3: HLT", hlt
PRIVILEGED "level 3: CLI", cli
PRIVILEGED "level 3: MOV CR0", mov eax, cr0
PRIVILEGED "level 3: MOV DR7", mov dr7, eax
PRIVILEGED "level 3: LGDT", lgdt [gdtr]
PRIVILEGED "level 3: LMSW", lmsw ax
PRIVILEGED "level 3: INVLPG", invlpg [0]
PRIVILEGED "level 3: RDMSR", rdmsr
PRIVILEGED "level 3: an open port", out 0x80, al
TEST "level 3: ports beyond the bit map"
  USER 0x2
  mov dx, 0x400
  in al, dx
END
TEST "level 3: the last ports of the bit map, a word across"
  USER 0x2
  mov dx, 0x3ff
  in ax, dx
END
TEST "level 3: a closed port"
  or byte [tss_main + 0x88 + 0x80 / 8], 4
  USER 0x2
  out 0x80, ax
  out 0x83, al
  out 0x80, eax
END
TEST "level 3: POPF leaves IOPL and IF"
  USER 0x1002
  push dword 0x40602
  popfd
  pushfd
  pop eax
END
TEST "level 3: INT of a kernel's gate"
  mov byte [idt + 0x20 * 8 + 5], 0x8e
  USER 0x2
  int 0x20
END
TEST "level 3: misaligned with AC"
  mov eax, cr0
  or eax, 0x40000
  mov cr0, eax
  USER 0x40002
  mov eax, [PLAY + 4]
  mov ax, [PLAY + 2]
  mov eax, [PLAY + 2]
END
TEST "level 0: misaligned with AC"
  mov eax, cr0
  or eax, 0x40000
  mov cr0, eax
  push dword 0x40002
  popfd
  mov eax, [PLAY + 1]
END

; ---- single steps ----
TEST "single-step: POPF, MOV SS, POP SS, STI, INT, a repeated string"
  STEPS 40
  mov ecx, 3
  mov esi, PLAY
  mov edi, PLAY + 0x100
  push ss
  mov bx, ss
  push dword 0x102
  popfd
  nop
  mov ss, bx
  nop
  nop
  pop ss
  inc eax
  sti
  nop
  cli
  rep movsb
  push dword 2
  popfd
  nop
  nop
END
TEST "single-step: IRET sets TF, INT clears it for the handler"
  STEPS 5
  push dword 0x102
  push dword CS0
  push dword %$stepped
  iretd
%$stepped:
  nop
  int 0x31
  nop
  ud2
END
TEST "single-step: PUSHF shows TF, a fault takes the trap's place"
  STEPS 3
  push dword 0x102
  popfd
  pushfd
  pop eax
  ud2
END

; ---- breakpoints ----
TEST "a breakpoint on an instruction, and RF"
  STEPS 2
  mov eax, %$here
  mov dr0, eax
  mov eax, 0x2
  mov dr7, eax
  nop
%$here:
  inc ebx
END
TEST "a breakpoint with RF set by IRET"
  STEPS 2
  mov eax, %$here
  mov dr0, eax
  mov eax, 0x2
  mov dr7, eax
  push dword 0x10002
  push dword CS0
  push eax
  mov dword [esp], %$here
  iretd
%$here:
  inc ebx
END
TEST "a breakpoint on data"
  STEPS 4
  mov eax, PLAY + 4
  mov dr1, eax
  mov eax, 0xd00008
  mov dr7, eax
  mov eax, [PLAY + 4]
  mov [PLAY], eax
  mov [PLAY + 7], al
  mov [PLAY + 2], eax
  mov [PLAY + 8], eax
END
TEST "DR7.GD"
  mov eax, 0x2000
  mov dr7, eax
  mov eax, dr0
END
TEST "DR4 with CR4.DE"
  mov eax, 8
  mov cr4, eax
  mov eax, dr4
END

; ---- tasks ----
; The handlers of #TS, #NP and #SS are this task, by task gates: the new one may have no stack to push on.
%macro FAULTS_COME_BACK 0
  mov word [idt + 10 * 8 + 2], TSS_MAIN
  mov word [idt + 10 * 8 + 4], 0xe500
  mov dword [idt + 11 * 8 + 2], 0xe5000000 | TSS_MAIN
  mov dword [idt + 12 * 8 + 2], 0xe5000000 | TSS_MAIN
%endmacro
TEST "JMP to a task"
  jmp TSS_OTHER:0
END
TEST "CALL of a task, and IRET from it"
  mov dword [tss_other + 0x20], calling_task
  call TSS_OTHER:0
  mov bl, [gdt + TSS_OTHER + 5]
  mov bh, [gdt + TSS_MAIN + 5]
  mov ecx, cr0
END
TEST "a task by its gate in the IDT, with an error code"
  mov word [idt + 13 * 8 + 2], TSS_OTHER
  mov word [idt + 13 * 8 + 4], 0xe500
  mov dword [tss_other + 0x20], fault_task
  mov ax, BEYOND
  mov ds, ax
END
TEST "JMP to a busy task"
  jmp TSS_MAIN:0
END
TEST "JMP to a task that is too short"
  jmp TSS_SHORT:0
END
TEST "a task whose stack is not writable"
  mov word [tss_other + 0x50], READONLY
  FAULTS_COME_BACK
  jmp TSS_OTHER:0
  pop edx
  mov bx, [tss_main]
  mov ecx, [tss_other + 0x20]
  sub ecx, [base]
END
TEST "a task whose code is absent"
  mov word [tss_other + 0x4c], CODE_ABSENT
  FAULTS_COME_BACK
  jmp TSS_OTHER:0
  pop edx
  mov bx, [tss_main]
  mov ecx, [tss_other + 0x20]
  sub ecx, [base]
END
TEST "a task whose LDT is none"
  mov word [tss_other + 0x60], DS0
  FAULTS_COME_BACK
  jmp TSS_OTHER:0
  pop edx
  mov bx, [tss_main]
  mov ecx, [tss_other + 0x20]
  sub ecx, [base]
END
TEST "a task at level 3"
  mov word [tss_other + 0x4c], CS3
  mov word [tss_other + 0x50], DS3
  mov dword [tss_other + 0x54], DS3
  jmp TASKGATE:0
END
TEST "a task with its trap bit"
  STEPS 1
  mov byte [tss_other + 0x64], 1
  jmp TSS_OTHER:0
END
TEST "a task in virtual-8086 mode"
  mov dword [tss_other + 0x24], 0x23002
  mov word [tss_other + 0x4c], LOAD >> 4
  mov dword [tss_other + 0x20], v86_task - LOAD
  jmp TSS_OTHER:0
END
TEST "a 16-bit task"
  jmp TSS_16:0
END
TEST "IRET with NT and no link"
  push dword 0x4002
  popfd
  iretd
END

; ---- 16-bit code ----
TEST "16-bit code: a stack of 16 bits, ENTER, LEAVE, PUSHA"
  mov dword [base], %$sixteen
  mov ax, DS16
  mov ss, ax
  mov esp, 0xabcde000
  jmp CS16:%$sixteen - LOAD
bits 16
%$sixteen:
  enter 8, 3
  mov ax, sp
  leave
  mov bx, sp
  pusha
  mov cx, sp
  push sp
  pop dx
  o32 push byte -1
  mov eax, esp
bits 32
END
TEST "16-bit code: a word across the segment's end"
  mov dword [base], %$sixteen
  mov ax, DS16
  mov ds, ax
  jmp CS16:%$sixteen - LOAD
bits 16
%$sixteen:
  mov al, [0xffff]
  mov ax, [0xffff]
bits 32
END
TEST "16-bit code: addresses wrap"
  mov dword [base], %$sixteen
  mov ax, DS16
  mov ds, ax
  jmp CS16:%$sixteen - LOAD
bits 16
%$sixteen:
  mov bx, 0xfff0
  mov dword [0x10 + 0x8000], 0x5a5aa5a5
  mov si, 0x8020
  mov eax, [bx + si]
  mov cl, [a32 ebx + 0x10010]
bits 32
END

; ---- virtual-8086 mode ----
%macro VIRTUAL 3+ ; name, flags, code
TEST %1
  mov dword [base], %$v86
  push dword LOAD >> 4
  push dword LOAD >> 4
  push dword LOAD >> 4
  push dword LOAD >> 4
  push dword 0x1000
  push dword 0xc000
  push dword %2 | 0x20002
  push dword LOAD >> 4
  push dword %$v86 - LOAD
  iretd
  bits 16
  %$v86:
  %3
  bits 32
END
%endmacro
VIRTUAL "V86 at IOPL 3: INT 30h through the IDT", 0x3000, nop
VIRTUAL "V86 at IOPL 0: INT n", 0, int 0x21
VIRTUAL "V86 at IOPL 0: INT3", 0, int3
VIRTUAL "V86 at IOPL 0: CLI", 0, cli
VIRTUAL "V86 at IOPL 0: STI", 0, sti
VIRTUAL "V86 at IOPL 0: PUSHF", 0, pushf
VIRTUAL "V86 at IOPL 0: POPF", 0, popf
VIRTUAL "V86 at IOPL 0: IRET", 0, iret
VIRTUAL "V86 at IOPL 3: HLT", 0x3000, hlt
VIRTUAL "V86 at IOPL 3: MOV CR0", 0x3000, mov eax, cr0
VIRTUAL "V86 at IOPL 3: LLDT", 0x3000, lldt ax
VIRTUAL "V86 at IOPL 3: ARPL", 0x3000, arpl ax, bx
VIRTUAL "V86 at IOPL 3: SYSEXIT", 0x3000, sysexit
VIRTUAL "V86 at IOPL 3: LMSW", 0x3000, lmsw ax
VIRTUAL "V86 at IOPL 3: SMSW and SGDT", 0x3000, sgdt [0x8000]
TEST "V86: far calls, segment loads, flags, wraps"
  mov dword [base], %$v86
  V86 0x3000
%$v86:
  mov ax, 0x1234
  mov es, ax
  mov bx, es
  push dword 0x40246
  popfd
  pushfd
  pop ecx
  call (LOAD >> 4):%$near - LOAD
%$near:
  pop ax
  pop dx
  mov ax, sp
  push cs
  pop ds
  mov si, 0xffff
  mov si, [si]
bits 32
END
TEST "V86: IRET and INT at IOPL 3"
  mov dword [base], %$v86
  V86 0x3000
%$v86:
  push word 0x3202
  push cs
  push word %$back - LOAD
  iret
%$back:
  pushf
  pop ax
  cli
  pushf
  pop bx
  o32 pushf
  pop ecx
  int 0x31
  mov dx, sp
bits 32
END
TEST "V86: ports by the bit map, whatever IOPL"
  mov dword [base], %$v86
  V86 0x3000
%$v86:
  out 0x80, al
  mov dx, 0x400
  in al, dx
bits 32
END
TEST "V86: single-step"
  STEPS 8
  mov dword [base], %$v86
  V86 0x3100
%$v86:
  nop
  mov ax, ss
  mov ss, ax
  nop
  sti
  nop
  cli
  ud2
bits 32
END
%macro VME 3+
TEST %1
  mov eax, 1
  mov cr4, eax
  and byte [tss_main + 0x68 + 0x21 / 8], ~2
  mov dword [0x21 * 4], (LOAD >> 4) << 16
  mov word [0x21 * 4], redirected - LOAD
  mov dword [base], %$v86
  V86 %2
  %$v86:
  %3
  bits 32
END
%endmacro
VME "VME at IOPL 0: INT 21h by the program's own table", 0, int 0x21
VME "VME at IOPL 3: INT 21h by the program's own table", 0x3000, int 0x21
VME "VME at IOPL 0: INT 22h", 0, int 0x22
VME "VME at IOPL 0: STI with VIP", 0x100000, sti
%macro POP_TF 0
  push word 0x102
  popf
%endmacro
VME "VME at IOPL 0: POPF with TF", 0, POP_TF
TEST "VME at IOPL 0: CLI, STI, PUSHF, POPF, IRET work on VIF"
  mov eax, 1
  mov cr4, eax
  mov dword [base], %$v86
  V86 0x200
%$v86:
  sti
  pushf
  pop ax
  cli
  pushf
  pop bx
  push word 0x202
  popf
  pushf
  pop cx
  push word 2
  push cs
  push word %$back - LOAD
  iret
%$back:
  pushf
  pop dx
  o32 pushf
bits 32
END
TEST "PVI at level 3: CLI and STI work on VIF"
  mov eax, 2
  mov cr4, eax
  USER 0x202
  sti
  pushfd
  pop eax
  cli
  pushfd
  pop ebx
  int 0x31
END

; ---- paging ----
%macro PAGING 0
  mov edi, PAGEDIR
  xor eax, eax
  mov ecx, 1024
  rep stosd
  mov dword [PAGEDIR], PAGETAB + 7
  mov edi, PAGETAB
  mov eax, 7
  mov ecx, 1024
%%next:
  stosd
  add eax, 0x1000
  loop %%next
  mov eax, PAGEDIR
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
%endmacro
TEST "paging: a page that is not there, read"
  PAGING
  mov dword [PAGETAB + 0x60 * 4], 0
  mov eax, [0x60123]
END
TEST "paging: a page that is not there, written by level 3"
  PAGING
  mov dword [PAGETAB + 0x60 * 4], 0
  USER 0x2
  mov [0x60123], eax
END
TEST "paging: a read-only page, level 3 and 0"
  PAGING
  mov dword [PAGETAB + 0x60 * 4], 0x60005
  mov [0x60000], eax
  USER 0x2
  mov [0x60000], eax
END
TEST "paging: a read-only page, level 0 with WP"
  PAGING
  mov eax, cr0
  or eax, 0x10000
  mov cr0, eax
  mov dword [PAGETAB + 0x60 * 4], 0x60005
  mov [0x60000], eax
END
TEST "paging: a supervisor's page, level 3"
  PAGING
  mov dword [PAGETAB + 0x60 * 4], 0x60003
  USER 0x2
  mov al, [0x60fff]
END
TEST "paging: code that is not there"
  PAGING
  mov eax, 0x900000
  jmp eax
END
TEST "paging: A and D"
  PAGING
  mov eax, [0x60000]
  mov [0x61000], eax
  mov eax, [PAGETAB + 0x60 * 4]
  mov ebx, [PAGETAB + 0x61 * 4]
  mov ecx, [PAGETAB + 0x62 * 4]
  mov edx, [PAGEDIR]
END
TEST "paging: across into a page that is not there"
  PAGING
  mov dword [PAGETAB + 0x61 * 4], 0
  mov dword [0x60ffc], 0
  xor eax, eax
  mov ebx, 0x60ffd
  mov [ebx], ecx
END
TEST "paging: a reserved bit of a large page"
  PAGING
  mov eax, 0x10
  mov cr4, eax
  mov dword [PAGEDIR + 4], 0x400083 | 1 << 21
  mov eax, [0x400000]
END
TEST "paging: a large page"
  PAGING
  mov eax, 0x10
  mov cr4, eax
  mov dword [PAGEDIR + 4], 0x87
  mov eax, [0x400000 + multiboot]
  mov [0x400000 + PLAY], eax
  mov ebx, [PAGEDIR + 4]
END
TEST "paging: PAE"
  mov edi, PAEDIR
  xor eax, eax
  mov ecx, 1024
  rep stosd
  mov edi, PDPT
  mov ecx, 8
  rep stosd
  mov dword [PDPT], PAEDIR + 1
  mov dword [PAEDIR], 0x87
  mov dword [PAEDIR + 8], 0x87
  mov eax, 0x20
  mov cr4, eax
  mov eax, PDPT
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80000000
  mov cr0, eax
  mov ebx, [0x200000 + multiboot]
  mov ecx, [PAEDIR + 8]
  mov edx, [0x40000000]
END
TEST "CR0.NW without CD"
  mov eax, cr0
  or eax, 0x20000000
  and eax, ~0x40000000
  mov cr0, eax
END
TEST "a double fault: the handler's segment is gone"
  mov word [idt + 13 * 8 + 2], BEYOND
  mov word [idt + 11 * 8 + 2], BEYOND
  mov ax, BEYOND
  mov ds, ax
END

  jmp done

gate_target:                    ; two doublewords of parameters
  mov eax, [esp + 8]
  mov ebx, [esp + 12]
  mov ecx, [esp + 16]
  mov dx, cs
  retf 8
bits 16
gate_target16:                  ; two words
  mov bp, sp
  mov ax, [ss:esp + 4]
  mov bx, [ss:esp + 6]
  mov cx, [ss:esp + 8]
  mov dx, cs
  int 0x30
redirected:
  pushf
  pop ax
  pop bx
  pop cx
  pop dx
  o32 pushf
  pop edx
  int 0x30
v86_task:
  mov ax, 0x1111
  mov ds, ax
  int 0x30
other_task16:                   ; upper halves are nobody's
  movzx eax, sp
  mov ebx, ss
  xor ecx, ecx
  str cx
  movzx edx, dx
  int 0x30
bits 32
other_task:
  inc eax
  int 0x30
calling_task:
  pushfd
  pop eax
  movzx ebx, word [tss_other]
  int 0x31
  iretd
  inc ecx
  int 0x30
fault_task:
  pop edx
  mov bx, [tss_other]
  mov ecx, [tss_main + 0x20]
  sub ecx, [base]
  int 0x30
