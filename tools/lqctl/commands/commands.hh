/* SPDX-License-Identifier: GPL-2.0 */
/* The commands, each a file of its own: its options, how it declares them, what it does. */
#pragma once

#include <functional>
#include <string>
#include <utility>

namespace CLI {
class App;
}

namespace lqctl {

/* What a command ends with. */
struct Answer {
	std::string text; /* to stdout; empty: the command has written that itself */
	int status = 0;	  /* the exit status, where it says more than that all went well */

	Answer(std::string said) : text(std::move(said)) {}
	Answer(std::string said, int with) : text(std::move(said)), status(with) {}
};

struct Command {
	CLI::App *app;		     /* its part of the command line: name, options, help */
	std::function<Answer()> run; /* once that is parsed */
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
[[nodiscard]] Command serve(CLI::App &app);
[[nodiscard]] Command top(CLI::App &app);
[[nodiscard]] Command monitor(CLI::App &app);
[[nodiscard]] Command record(CLI::App &app);
[[nodiscard]] Command report(CLI::App &app);

} // namespace lqctl
