// SPDX-License-Identifier: GPL-2.0
/* lqrun: runs a program with its TCP sockets on AF_LISTENQ, by preloading liblqrun.so. */
#include <linux/listenq.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "decimal.hh"
#include "environment.hh"
#include "inherited.hh"
#include "launcher.hh"
#include "program.hh"

namespace lqrun {
namespace {

/* One line, and out. */
[[noreturn]] void fail(int status, const std::string &why)
{
	std::fprintf(stderr, "lqrun: %s\n", why.c_str());
	std::exit(status);
}

/* What is wrong with text; nothing: it is a number from min to max, as liblqrun.so reads them. */
std::string not_a_number(const std::string &text, int min, int max)
{
	int number;
	if (parse_decimal(text.c_str(), max, number) && number >= min)
		return "";
	return '"' + text + "\" is not a number from " + std::to_string(min) + " to " +
	       std::to_string(max);
}

std::string not_a_backlog(const std::string &text)
{
	if (parse_backlog(text.c_str()) != own_backlog)
		return "";
	return '"' + text + "\" is not a number from 0 to " + std::to_string(INT_MAX) +
	       ", or -1, for as many as net.core.somaxconn allows";
}

std::string not_a_filter(const std::string &name)
{
	if (std::find(std::begin(filters), std::end(filters), name) != std::end(filters))
		return "";
	return "no accept filter \"" + name + "\": use dataready, httpready, dnsready or tlsready";
}

void set(const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		fail(1, std::string("cannot set ") + name + ": " + std::strerror(errno));
}

/* Beside lqrun, where it was built; in ../lib/listenq, where it was installed. */
std::string library()
{
	char self[PATH_MAX];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self));
	if (size < 0 || size == sizeof(self))
		fail(1, "cannot find its own file by /proc/self/exe: mount /proc");
	std::string directory(self, static_cast<std::size_t>(size));
	directory.resize(directory.rfind('/'));

	std::string prefix = directory.substr(0, directory.rfind('/'));
	for (const std::string &file :
	     {directory + "/liblqrun.so", prefix + "/lib/listenq/liblqrun.so"}) {
		if (access(file.c_str(), R_OK) != 0)
			continue;
		/* ld.so(8) splits LD_PRELOAD at these. */
		if (file.find_first_of(": \t\n") != file.npos)
			fail(1, "\"" + file +
					"\" has a space or colon in its path, which LD_PRELOAD "
					"cannot express: move it elsewhere");
		return file;
	}
	fail(1, "liblqrun.so is neither in " + directory + " nor in " + prefix +
			"/lib/listenq: install lqrun with make install");
}

/* Before what is preloaded already; once, where lqrun runs lqrun. */
std::string preload_list(const std::string &file)
{
	const char *old = std::getenv("LD_PRELOAD");
	if (!old || !*old)
		return file;
	std::string list(old);
	if (list == file || list.starts_with(file + ':') || list.starts_with(file + ' '))
		return list;
	return file + ':' + list;
}

struct Options {
	std::string backlog, filter, family;
	bool strict = false, verbose = false;
};

/* CLI11 does not know that PROGRAM follows. */
class Formatter final : public CLI::Formatter {
	std::string make_usage(const CLI::App *, std::string name) const override
	{
		return "Usage: " + name + " [OPTIONS] PROGRAM [ARGUMENTS...]\n";
	}
};

/* Of an option given twice the last one counts, as it does beside an alias with options. */
void declare(CLI::App &app, Options &o)
{
	const CLI::Validator backlog([](const std::string &text) { return not_a_backlog(text); },
				     "");
	const CLI::Validator family(
		[](const std::string &text) { return not_a_number(text, 1, 255); }, "");
	const CLI::Validator filter([](const std::string &name) { return not_a_filter(name); }, "");

	/* What follows PROGRAM is PROGRAM's. */
	app.prefix_command();
	app.formatter(std::make_shared<Formatter>());
	app.set_version_flag("-V,--version", "lqrun " LISTENQ_VERSION, "The version");
	app.set_help_flag("-h,--help", "What can be said to lqrun");
	app.add_option("-b,--backlog", o.backlog,
		       "This backlog in listen(), instead of the program's own")
		->type_name("N")
		->check(backlog)
		->take_last();
	app.add_option("-a,--accept-filter", o.filter,
		       "Hold connections back from accept() until dataready, httpready, dnsready "
		       "or tlsready says that enough has come")
		->type_name("NAME")
		->check(filter)
		->take_last();
	app.add_flag("-s,--strict", o.strict, "No plain TCP: fail instead");
	app.add_option("-f,--family", o.family,
		       "The module's parameter family=, " + std::to_string(AF_LISTENQ) +
			       " unless given")
		->type_name("N")
		->check(family)
		->take_last();
	app.add_flag("-v,--verbose", o.verbose,
		     "Report on stderr each socket and each backlog changed");
	app.footer("LISTENQ=N in the environment does what -b N does.");
}

void set_environment(const Options &o)
{
	if (!o.backlog.empty())
		set(env_backlog, o.backlog.c_str());
	if (!o.filter.empty())
		set(env_filter, o.filter.c_str());
	if (!o.family.empty())
		set(env_family, o.family.c_str());
	if (o.strict)
		set(env_strict, "1");
	if (o.verbose)
		set(env_verbose, "1");
}

/* Where PROGRAM stands in argv. */
int parse(int argc, char **argv, Options &options)
{
	CLI::App app("Runs PROGRAM with its TCP sockets on AF_LISTENQ", "lqrun");

	declare(app, options);
	try {
		app.parse(argc, argv);
	} catch (const CLI::Success &) {
		const std::string text =
			app.get_version_ptr()->count() ? app.version() + '\n' : app.help();
		std::fputs(text.c_str(), stdout);
		std::exit(0);
	} catch (const CLI::ParseError &error) {
		fail(1, std::string(error.what()) + ": see \"lqrun --help\"");
	}

	/* What is no option of ours: unknown ones, "--", PROGRAM and all behind it. */
	const std::vector<std::string> rest = app.remaining();
	const bool marked = !rest.empty() && rest[0] == "--";
	if (rest.size() == marked)
		fail(1, "no program to run: see \"lqrun --help\"");
	if (!marked && rest[0].starts_with('-'))
		fail(1, "unknown option \"" + rest[0] + "\": see \"lqrun --help\"");
	return argc - static_cast<int>(rest.size()) + marked;
}

char **end_of(char **words)
{
	while (*words)
		words++;
	return words;
}

/* What may go wrong later. --strict does not wait for that. */
void warn(const Options &o, const std::string &what)
{
	if (o.strict)
		fail(1, what + " (refused because of --strict)");
	std::fprintf(stderr, "lqrun: warning: %s\n", what.c_str());
}

/* Where PROGRAM starts other programs, or itself once more. */
void warn_of_launching(const Options &o, const std::string &file, char **argv)
{
	const std::string lost =
		loses_library(file, std::vector<std::string>(argv + 1, end_of(argv)));
	if (!lost.empty())
		return warn(o, lost);
	/* Harmless to most: no reason for --strict to refuse it. */
	const std::string again = risky_again(file);
	if (!again.empty())
		std::fprintf(stderr, "lqrun: warning: %s\n", again.c_str());
}

[[noreturn]] void run(const Options &options, char **argv)
{
	const char *path = std::getenv("PATH");
	std::string file;
	Refusal refusal = find_program(argv[0], path ? path : "/bin:/usr/bin", file);
	if (refusal.status == 0)
		refusal = check_preloadable(file);
	if (refusal.status != 0)
		fail(refusal.status, refusal.why);
	warn_of_launching(options, file, argv);

	if (const char *backlog = std::getenv(env_backlog)) {
		const std::string wrong = not_a_backlog(backlog);
		if (!wrong.empty())
			fail(1, "$LISTENQ: " + wrong);
	}
	set("LD_PRELOAD", preload_list(library()).c_str());
	if (take_inherited(argv[0]) > 0 && options.strict)
		fail(1, "it would be given listeners of plain TCP (refused because of --strict)");

	execvp(argv[0], argv);
	fail(errno == ENOENT ? 127 : 126,
	     std::string("cannot execute ") + argv[0] + ": " + std::strerror(errno));
}

} // namespace
} // namespace lqrun

int main(int argc, char **argv)
{
	lqrun::Options options;
	const int program = lqrun::parse(argc, argv, options);

	lqrun::set_environment(options);
	lqrun::run(options, argv + program);
}
