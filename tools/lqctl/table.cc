// SPDX-License-Identifier: GPL-2.0
/* Tables: widths and padding. */
#include "table.hh"

#include <algorithm>
#include <numeric>

namespace lqctl {

namespace {

/* In code points: all that lqctl writes is one cell wide each. */
std::size_t width(const std::string &text)
{
	return static_cast<std::size_t>(
		std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

} // namespace

void Table::add(std::vector<Cell> cells, std::string below)
{
	cells.resize(columns_.size());
	rows_.push_back({std::move(cells), std::move(below)});
}

/* The columns that fit. */
std::vector<std::size_t> Table::shown(const std::vector<std::size_t> &widths,
				      unsigned columns) const
{
	std::vector<std::size_t> shown(columns_.size());
	std::iota(shown.begin(), shown.end(), 0);
	for (;;) {
		std::size_t sum = 0, least = shown.size();
		for (std::size_t i = 0; i < shown.size(); i++) {
			const unsigned rank = columns_[shown[i]].rank;
			sum += widths[shown[i]] + (i > 0);
			if (rank != 0 &&
			    (least == shown.size() || rank < columns_[shown[least]].rank))
				least = i;
		}
		if (columns == 0 || sum <= columns || least == shown.size())
			return shown;
		shown.erase(shown.begin() + static_cast<std::ptrdiff_t>(least));
	}
}

std::string Table::render(bool header, const Terminal &terminal) const
{
	std::vector<std::size_t> widths;
	for (std::size_t i = 0; i < columns_.size(); i++) {
		std::size_t widest = header ? width(columns_[i].title) : 0;
		for (const Row &row : rows_)
			widest = std::max(widest, width(row.cells[i].text));
		widths.push_back(widest);
	}

	const std::vector<std::size_t> chosen = shown(widths, terminal.columns);
	std::string out;
	auto put = [&](std::size_t i, const Cell &cell) {
		const std::string pad(widths[i] - width(cell.text), ' ');
		const std::string text = paint(cell.text, cell.tone, terminal.colour);
		const bool last = i == chosen.back();
		if (i != chosen.front())
			out += ' ';
		if (columns_[i].align == Align::right)
			out += pad + text;
		else
			out += last ? text : text + pad;
		if (!last)
			return;
		while (out.ends_with(' '))
			out.pop_back();
		out += '\n';
	};
	if (header)
		for (const std::size_t i : chosen)
			put(i, {columns_[i].title, Tone::title});
	for (const Row &row : rows_) {
		for (const std::size_t i : chosen)
			put(i, row.cells[i]);
		out += row.below;
	}
	return out;
}

} // namespace lqctl
