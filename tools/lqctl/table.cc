// SPDX-License-Identifier: GPL-2.0
/* Tables: widths and padding. */
#include "table.hh"

#include <algorithm>

namespace lqctl {

namespace {

/* In code points: all that lqctl writes is one cell wide each. */
std::size_t width(const std::string &text)
{
	return static_cast<std::size_t>(
		std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

} // namespace

void Table::add(std::vector<std::string> cells, std::string below)
{
	cells.resize(columns_.size());
	rows_.push_back({std::move(cells), std::move(below)});
}

std::string Table::render(bool header) const
{
	std::vector<std::size_t> widths;
	for (std::size_t i = 0; i < columns_.size(); i++) {
		std::size_t widest = header ? width(columns_[i].title) : 0;
		for (const Row &row : rows_)
			widest = std::max(widest, width(row.cells[i]));
		widths.push_back(widest);
	}

	std::string out;
	auto put = [&](std::size_t i, const std::string &cell) {
		std::string pad(widths[i] - width(cell), ' ');
		bool last = i + 1 == columns_.size();
		if (i > 0)
			out += ' ';
		if (columns_[i].align == Align::right)
			out += pad + cell;
		else
			out += last ? cell : cell + pad;
		if (last)
			out += '\n';
	};
	if (header)
		for (std::size_t i = 0; i < columns_.size(); i++)
			put(i, columns_[i].title);
	for (const Row &row : rows_) {
		for (std::size_t i = 0; i < columns_.size(); i++)
			put(i, row.cells[i]);
		out += row.below;
	}
	return out;
}

} // namespace lqctl
