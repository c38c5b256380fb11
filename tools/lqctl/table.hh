/* SPDX-License-Identifier: GPL-2.0 */
/* Rows of aligned columns, with text of its own below a row where there is some. */
#pragma once

#include <string>
#include <vector>

namespace lqctl {

class Table final {
public:
	enum class Align { left, right };
	struct Column {
		std::string title;
		Align align;
	};

	explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

	void add(std::vector<std::string> cells, std::string below = "");

	[[nodiscard]] std::string render(bool header) const;

private:
	struct Row {
		std::vector<std::string> cells;
		std::string below; /* whole lines, unaligned */
	};
	std::vector<Column> columns_;
	std::vector<Row> rows_;
};

} // namespace lqctl
