let r0 = 0, r1 = 0, fo = 0, fd = 0, fs = 0, fx = 0, $t = 0, $d = 0, fp = 0, fr = 0, fa = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0, $e = 0, $l = 1, $n = i32[14], $q = $n - soft > 3 ? $n - soft : 3;
r0 = i32[0];
r1 = i32[1];
fo = i32[9];
fd = i32[10];
fs = i32[11];
fx = i32[12];
try {
 X: {
  L0: for (; ; ) {
   if ($n < $q) {
    $e = 65536;
    break X;
   }
   $n = $n + -3 | 0;
   // 10000 add eax, ecx
   {
    const r = r0 + r1 | 0;
    (fp = 0, fs = r1, fd = r, fo = 6);
    r0 = r;
   }
   // 10002 dec ecx
   {
    const r = r1 - 1 | 0;
    (fr = r, fp = 30);
    r1 = r;
   }
   // 10003 jne 0x10000
   if (!(fr === 0)) {
    continue L0;
   }
   $e = 65545;
   break X;
  }
 }
} catch (error) {
 if ($l) {
  i32[0] = r0;
  i32[1] = r1;
  if (fp !== 0) {
   if (fp === 1) {
    fd = arithmeticFlags(fo, fd, fs, fx) & -2050 | fr;
    fo = 0;
   } else {
    fx = carryFlag(fo, fd, fs, fx);
    fd = fr;
    fo = fp;
   }
   fp = 0;
  }
  i32[9] = fo;
  i32[10] = fd;
  i32[11] = fs;
  i32[12] = fx;
  fault($n);
 }
 throw error;
}
i32[0] = r0;
i32[1] = r1;
if (fp !== 0) {
 if (fp === 1) {
  fd = arithmeticFlags(fo, fd, fs, fx) & -2050 | fr;
  fo = 0;
 } else {
  fx = carryFlag(fo, fd, fs, fx);
  fd = fr;
  fo = fp;
 }
 fp = 0;
}
i32[9] = fo;
i32[10] = fd;
i32[11] = fs;
i32[12] = fx;
i32[8] = $e;
i32[14] = $n;
