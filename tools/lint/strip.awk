# SPDX-License-Identifier: Apache-2.0
# Blanks comments, strings and character constants of C, keeping lines: what is left is code.
{
	out = ""
	for (i = 1; i <= length($0); i++) {
		c = substr($0, i, 1)
		d = substr($0, i, 2)
		if (comment) {
			if (d == "*/") { comment = 0; i++ }
		} else if (quote != "") {
			if (c == "\\") i++
			else if (c == quote) { quote = ""; out = out c }
		} else if (d == "/*") {
			comment = 1; i++; out = out " "
		} else if (d == "//") {
			break
		} else {
			if (c == "\"" || c == "'") quote = c
			out = out c
		}
	}
	quote = ""
	print out
}
