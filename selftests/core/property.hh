// SPDX-License-Identifier: GPL-2.0
// RapidCheck inside GoogleTest, the same cases in every run.
#pragma once

#include <cstdlib>
#include <sstream>

#include <gtest/gtest.h>
#include <rapidcheck.h>

// RC_PARAMS in the environment overrides it: "seed=... max_success=...".
[[maybe_unused]] static const int property_params =
	setenv("RC_PARAMS", "seed=20030317 max_success=500", 0);

// A counterexample goes to stderr, made as small as RapidCheck can.
template <typename Testable>
void property(const char *words, Testable testable)
{
	EXPECT_TRUE(rc::check(words, testable));
}
