// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
'use strict';
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
function texts() { return JSON.parse(JSON.stringify(Array.from({length: 200}, (_, i) => ({i, s: 'x'.repeat(i % 17)})))); }
const end = Date.now() + 1000 * Number(process.argv[2]);
let sum = 0;
while (Date.now() < end) {
  sum += fib(20) + texts().length;
  sum += ['b', 'a', 'c'].sort((x, y) => (x < y ? -1 : 1)).length;
  sum += 'abcabc'.replace(/b./g, (m) => m + m).length;
}
console.log(sum);
