/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
// Exceptions thrown through destructors that work, out of lambdas and a std::function, caught and thrown again.
#include <algorithm>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" {
#include "zoo.h"
}

struct Guard {
	explicit Guard(int level) : level(level) {}
	STEP ~Guard()
	{
		burn(3000);
		STAY;
	}
	int level;
};

template <typename T> STEP static void throw_deep(int depth, const T &work)
{
	Guard guard(depth);

	if (!depth) {
		work();
		throw std::runtime_error("the bottom");
	}
	throw_deep(depth - 1, work);
	STAY;
}

STEP static void catch_and_throw_again(const std::function<void()> &work)
{
	try {
		throw_deep(20, work);
	} catch (const std::runtime_error &error) {
		burn(5000);
		throw std::logic_error(std::string("again: ") + error.what());
	}
}

int main(int argc, char **argv)
{
	std::map<std::string, std::vector<int>> table;
	unsigned long caught = 0;

	zoo_begin(argc, argv);
	while (zoo_goes_on()) {
		auto work = [&table]() __attribute__((noinline)) {
			auto &row = table[std::to_string(table.size() % 100)];

			row.push_back((int)row.size());
			std::sort(row.begin(), row.end(), [](int a, int b) {
				return (a * 7919) % 1009 < (b * 7919) % 1009;
			});
			burn(10000);
			STAY;
		};
		try {
			catch_and_throw_again(work);
		} catch (const std::exception &) {
			caught++;
		}
		if (table.size() > 90 || caught % 500 == 0)
			table.clear();
	}
	printf("caught %lu\n", caught);
	return caught ? 0 : 1;
}
