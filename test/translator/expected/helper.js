let r0 = 0, r3 = 0, fo = 0, fd = 0, fs = 0, fx = 0, $t = 0, $d = 0, fp = 0, fr = 0, fa = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0, $e = 0, $l = 1, $n = i32[14], $q = $n - soft > 3 ? $n - soft : 3;
r0 = i32[0];
r3 = i32[3];
fo = i32[9];
fd = i32[10];
fs = i32[11];
fx = i32[12];
try {
 X: {
  $n = $n + -3 | 0;
  // 10000 div ecx
  i32[0] = r0;
  i32[8] = 65536;
  i32[14] = $n + 3 | 0;
  $l = 0;
  $t = op(0);
  r0 = i32[0];
  r3 = i32[3];
  fo = i32[9];
  fd = i32[10];
  fs = i32[11];
  fx = i32[12];
  $l = 1;
  if ($t) {
   $e = 65538;
   $n = $n + 2 | 0;
   break X;
  }
  // 10002 mov eax, dword ptr fs:[ebx]
  {
   const $f = r3;
   if ($f >>> 0 < i32[196] >>> 0) {} else {
    $e = 65538;
    $n = $n + 2 | 0;
    break X;
   }
   const $b = load32($f + i32[28] | 0, 0);
   r0 = $b;
  }
  // 10005 hlt
  i32[0] = r0;
  i32[8] = 65541;
  i32[14] = $n + 1 | 0;
  $l = 0;
  op(1);
  i32[14] = $n;
  return;
 }
} catch (error) {
 if ($l) {
  i32[0] = r0;
  fault($n);
 }
 throw error;
}
i32[0] = r0;
i32[8] = $e;
i32[14] = $n;
