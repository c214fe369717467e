# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
use strict;
use Time::HiRes 'time';
my $end = time() + $ARGV[0];
sub fib { my $n = shift; return $n < 2 ? $n : fib($n - 1) + fib($n - 2) }
while (time() < $end) {
	fib(15);
	my $text = join ' ', map { "word$_" } 1 .. 2000;
	$text =~ s/(\d+)/$1 * 2/ge;
	my @sorted = sort { length($a) <=> length($b) or $a cmp $b } split / /, $text;
	eval { die { count => scalar @sorted } };
}
