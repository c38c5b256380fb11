/* SPDX-License-Identifier: GPL-2.0 */
/* The commands, each a file of its own: its options, how it declares them, what it does. */
#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace lqctl {

struct Command {
	CLI::App *app; /* its part of the command line: name, options, help */
	/* Once that is parsed. Returns what goes to stdout; empty: it has written that itself. */
	std::function<std::string()> run;
};

/* Each adds itself to lqctl's command line. */
[[nodiscard]] Command list(CLI::App &app);
[[nodiscard]] Command show(CLI::App &app);
[[nodiscard]] Command explain(CLI::App &app);
[[nodiscard]] Command requests(CLI::App &app);
[[nodiscard]] Command stats(CLI::App &app);
[[nodiscard]] Command adopt(CLI::App &app);
[[nodiscard]] Command release(CLI::App &app);
[[nodiscard]] Command drain(CLI::App &app);
[[nodiscard]] Command hold(CLI::App &app);
[[nodiscard]] Command get(CLI::App &app);
[[nodiscard]] Command set(CLI::App &app);
[[nodiscard]] Command reset(CLI::App &app);
[[nodiscard]] Command probe(CLI::App &app);
[[nodiscard]] Command export_(CLI::App &app);
[[nodiscard]] Command top(CLI::App &app);
[[nodiscard]] Command monitor(CLI::App &app);
[[nodiscard]] Command record(CLI::App &app);
[[nodiscard]] Command report(CLI::App &app);

} // namespace lqctl
