// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Interpreted at first, compiled later.
import java.util.HashMap;

public class Jumps {
    static long fib(int n) {
        return n < 2 ? n : fib(n - 1) + fib(n - 2);
    }

    static long words(HashMap<String, Integer> map) {
        for (int i = 0; i < 1000; i++)
            map.merge("word" + i % 97, 1, Integer::sum);
        return map.size();
    }

    public static void main(String[] arguments) {
        long end = System.nanoTime() + (long) (Double.parseDouble(arguments[0]) * 1e9), sum = 0;
        HashMap<String, Integer> map = new HashMap<>();
        while (System.nanoTime() < end)
            sum += fib(20) + words(map);
        System.out.println(sum);
    }
}
