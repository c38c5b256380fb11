// SPDX-License-Identifier: GPL-2.0
/* Launchers that clear the environment, and those that have another process do the work. */
#include "launcher.hh"

#include <algorithm>
#include <filesystem>

namespace lqrun {

namespace {

using Words = std::vector<std::string>;

constexpr const char *adopt = "start it without lqrun, then \"lqctl adopt :PORT\"";

bool is_cluster(const std::string &word)
{
	return word.size() > 1 && word[0] == '-' && word[1] != '-';
}

/* env [-i] [-u NAME] [-C DIR] [NAME=VALUE]... COMMAND */
bool env_clears(const Words &words)
{
	for (std::size_t i = 0; i < words.size(); i++) {
		const std::string &word = words[i];
		const std::string next = i + 1 < words.size() ? words[i + 1] : "";
		if (word == "-" || word == "--ignore-environment" || word == "--unset=LD_PRELOAD" ||
		    word == "-uLD_PRELOAD" || word == "LD_PRELOAD=")
			return true;
		if (word == "-u" || word == "--unset" || word == "-C" || word == "--chdir") {
			if (word[word.find_first_not_of('-')] == 'u' && next == "LD_PRELOAD")
				return true;
			i++;
		} else if (is_cluster(word)) {
			/* What follows these is their value. */
			if (word.substr(1, word.find_first_of("uCS") - 1).find('i') != word.npos)
				return true;
		} else if (!word.starts_with("--") && word.find('=') == word.npos) {
			return false; /* COMMAND */
		}
	}
	return false;
}

/* su and runuser; -p is ignored beside it. */
bool logs_in(const Words &words)
{
	for (const std::string &word : words) {
		if (word == "--")
			return false;
		if (word == "-" || word == "--login")
			return true;
		if (is_cluster(word) &&
		    word.substr(1, word.find_first_of("cgGswTu") - 1).find('l') != word.npos)
			return true;
	}
	return false;
}

bool resets_env(const Words &words)
{
	return std::find(words.begin(), words.end(), "--reset-env") != words.end();
}

bool always(const Words &)
{
	return true;
}

const struct {
	const char *name;
	bool (*does)(const Words &);
	bool followed; /* by a command, which may be lqrun */
} clearing[] = {
	{"doas", always, true},	    {"env", env_clears, true},	   {"pg_ctlcluster", always, false},
	{"pkexec", always, true},   {"rc-service", always, false}, {"runuser", logs_in, true},
	{"service", always, false}, {"setpriv", resets_env, true}, {"su", logs_in, true},
	{"sudo", always, true},
};

/* Whom they ask has an environment of its own. */
const char *const asking[] = {"docker",	       "initctl",   "invoke-rc.d", "machinectl",
			      "supervisorctl", "systemctl", "systemd-run"};

std::string reason(const std::string &name, const Words &arguments)
{
	for (const auto &launcher : clearing) {
		if (name == launcher.name && launcher.does(arguments))
			return name +
			       " clears the environment, and LD_PRELOAD with it, for what it "
			       "starts: " +
			       (launcher.followed ? "write \"lqrun\" behind it, before the "
						    "server, or "
						  : "") +
			       adopt;
	}
	if (std::find(std::begin(asking), std::end(asking), name) != std::end(asking))
		return name +
		       " has another process start the server, without this environment: "
		       "write \"lqrun\" there (a unit's ExecStart=), or " +
		       adopt;
	return "";
}

} // namespace

std::string loses_library(const std::string &file, const std::vector<std::string> &arguments)
{
	/* By the name that it was called by, as busybox, or by that of the file. */
	std::error_code none;
	const std::filesystem::path path(file);
	const std::string first = reason(path.filename(), arguments);
	if (!first.empty())
		return first;
	return reason(std::filesystem::canonical(path, none).filename(), arguments);
}

} // namespace lqrun
