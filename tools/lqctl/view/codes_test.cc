// SPDX-License-Identifier: GPL-2.0
/* Every code of a finding, and every reason of a drop, is in the documents. */
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include "model/counters.hh"

using namespace lqctl;
namespace fs = std::filesystem;

namespace {

std::string content(const fs::path &path)
{
	std::ifstream in(fs::path(LISTENQ_TOP) / path);
	EXPECT_TRUE(in) << path;
	return {std::istreambuf_iterator<char>(in), {}};
}

/* The first argument of each add(). */
std::set<std::string> all_codes()
{
	const std::regex call(R"(\badd\(\s*"([a-z_]+)\")");
	std::set<std::string> codes;

	for (const auto &file :
	     fs::directory_iterator(fs::path(LISTENQ_TOP) / "tools/lqctl/view")) {
		const std::string name = file.path().filename();
		if (!name.starts_with("case_") || !name.ends_with(".cc"))
			continue;
		const std::string text = content(file.path());
		for (std::sregex_iterator it(text.begin(), text.end(), call), end; it != end; ++it)
			codes.insert((*it)[1]);
	}
	return codes;
}

TEST(codes, all_are_in_the_manual_and_in_troubleshooting)
{
	const std::string manual = content("tools/lqctl/lqctl.8"),
			  guide = content("docs/troubleshooting.md");
	const std::set<std::string> codes = all_codes();

	EXPECT_GT(codes.size(), 28u);
	for (const std::string &code : codes) {
		EXPECT_TRUE(std::regex_search(manual, std::regex("\n\\.It .*\\b" + code + "\\b")))
			<< code << ": lqctl.8";
		EXPECT_NE(guide.find("| `" + code + "`") == guide.npos
				  ? guide.find("`, `" + code + "`")
				  : 0,
			  guide.npos)
			<< code << ": docs/troubleshooting.md";
	}
}

TEST(codes, every_drop_is_in_troubleshooting)
{
	const std::string guide = content("docs/troubleshooting.md");
	const std::string table = guide.substr(guide.find("## Why something is dropped"));

	for (const Counter &c : zero_counters(CounterKind::drop))
		EXPECT_NE(table.find('`' + c.name + '`'), table.npos) << c.name;
}

} // namespace
