; A boot sector for a FAT12 disk without partitions: finds HELLO.TXT in the root directory, reads it cluster by
; cluster through INT 13h by cylinder, head and sector, and prints it on the screen and on
; COM1. Then it switches the machine off by port 0xf4.
; nasm -f bin boot.asm -o boot.bin; bytes 3 to 61 belong to the disk's BIOS parameter block and are left to whoever formats it.
        bits 16
        org 0x7c00

FAT     equ 0x8000              ; the FAT
BUFFER  equ 0x0600              ; where a sector is read to
        jmp short start
        nop
oem:            db "TRIVISOR"
bytes_per_sec:  dw 512
sec_per_clus:   db 1
reserved:       dw 1
fats:           db 2
root_entries:   dw 224
sectors16:      dw 2880
media:          db 0xf0
fat_sectors:    dw 9
sec_per_track:  dw 18
heads:          dw 2
hidden:         dd 0
sectors32:      dd 0
drive:          db 0
                db 0
                db 0x29
serial:         dd 0x20031019
label:          db "TRIVISOR   "
fstype:         db "FAT12   "

start:  cli
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        sti
        cld
        mov [drive], dl
        ; geometry as the BIOS has it
        mov ah, 8
        int 0x13
        jc .geometry_known
        and cx, 63
        mov [sec_per_track], cx
        mov dl, dh
        xor dh, dh
        inc dx
        mov [heads], dx
.geometry_known:
        xor ax, ax
        mov es, ax
        ; the FAT, to 0x8000
        mov ax, [reserved]
        mov cx, [fat_sectors]
        mov bx, FAT
.fat:   call read
        add bx, 512
        inc ax
        loop .fat
        ; the root directory follows the FATs, the data follow it
        mov al, [fats]
        cbw
        mul word [fat_sectors]
        add ax, [reserved]
        mov cx, [root_entries]
        shr cx, 4               ; 16 entries a sector
        mov bp, ax
        add bp, cx              ; bp: first sector of cluster 2
.dir:   mov bx, BUFFER
        call read
        mov di, bx
.entry: push cx
        push di
        mov si, name
        mov cx, 11
        repe cmpsb
        pop di
        pop cx
        je .found
        add di, 32
        cmp di, BUFFER + 512
        jb .entry
        inc ax
        loop .dir
        mov si, missing
        call print
        jmp off
.found: mov si, [di + 26]       ; first cluster
        mov dx, [di + 28]       ; size (below 64 KiB)
.cluster:
        lea ax, [si - 2]
        push dx
        xor ch, ch
        mov cl, [sec_per_clus]
        mul cx
        pop dx
        add ax, bp
.sector: mov bx, BUFFER
        call read
        mov di, bx
.char:  or dx, dx
        jz off
        push ax
        mov al, [di]
        call put
        pop ax
        inc di
        dec dx
        cmp di, BUFFER + 512
        jb .char
        inc ax
        loop .sector
        ; the next cluster: 12 bits an entry
        mov bx, si
        shr bx, 1
        pushf
        add bx, si
        mov si, [FAT + bx]
        popf
        jnc .even
        shr si, 4
.even:  and si, 0xfff
        jmp .cluster

; reads sector AX to ES:BX; keeps all registers
read:   pusha
        xor dx, dx
        div word [sec_per_track]
        inc dx
        mov cl, dl              ; sector
        xor dx, dx
        div word [heads]
        mov ch, al              ; cylinder
        shl ah, 6
        or cl, ah
        mov dh, dl              ; head
        mov dl, [drive]
        mov ax, 0x0201
        int 0x13
        popa
        jc failed
        ret
failed: mov si, broken
        call print
off:    mov dx, 0xf4
        xor ax, ax
        out dx, al
.halt:  hlt
        jmp .halt

print:  lodsb
        or al, al
        jz .done
        call put
        jmp print
.done:  ret

; prints AL on screen and COM1; a line feed becomes a new line
put:    cmp al, 10
        jne .one
        mov al, 13
        call .one
        mov al, 10
.one:   pusha
        mov bx, 7
        mov ah, 0x0e
        int 0x10
        mov dx, 0x3f8
        out dx, al
        popa
        ret

name:    db "HELLO   TXT"
missing: db "No HELLO.TXT", 10, 0
broken:  db "Read error", 10, 0
        times 510 - ($ - $$) db 0
        dw 0xaa55
