/* SPDX-License-Identifier: GPL-2.0 */
/* Rows of aligned columns, with text of its own below a row where there is some. */
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/terminal.hh"

namespace lqctl {

/* The width of @text, in code points: all that lqctl writes is one cell wide each. */
[[nodiscard]] std::size_t cells_of(std::string_view text);

class Table final {
public:
	enum class Align { left, right };
	struct Column {
		std::string title;
		Align align;
		/* What a terminal is too narrow for goes by this, the smallest first; 0 never. */
		unsigned rank = 0;
	};
	struct Cell {
		std::string text;
		Tone tone = Tone::plain;

		Cell() = default;
		Cell(std::string t, Tone n = Tone::plain) : text(std::move(t)), tone(n) {}
		Cell(const char *t) : text(t) {}
	};

	explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

	void add(std::vector<Cell> cells, std::string below = "");

	[[nodiscard]] std::string render(bool header, const Terminal &terminal = {}) const;

	/* The same without what is below the rows: pieces of lines, of at most @columns in all. */
	using Line = std::vector<Cell>;
	[[nodiscard]] std::vector<Line> lines(bool header, unsigned columns) const;

private:
	struct Row {
		std::vector<Cell> cells;
		std::string below; /* whole lines, unaligned */
	};
	[[nodiscard]] std::vector<std::size_t> shown(const std::vector<std::size_t> &widths,
						     unsigned columns) const;
	[[nodiscard]] std::vector<std::size_t> widths(bool header) const;

	std::vector<Column> columns_;
	std::vector<Row> rows_;
};

} // namespace lqctl
