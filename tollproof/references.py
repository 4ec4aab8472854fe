"""Clauses of the standards a check rests on: typed, validated, linked.

Knows the numbering and titles of CWE, OWASP API Security Top 10 2023, ASVS 5.0.0 and
RFCs, so that a clause that does not exist cannot be cited. Must not know the checks.
"""

from __future__ import annotations

import re

from tollproof.errors import CatalogueError
from tollproof.model import Reference

__all__ = ["API", "ASVS", "CWE", "RFC"]


def CWE(number: int) -> Reference:
    """Cite a weakness of the Common Weakness Enumeration.

    Raises:
        CatalogueError: the weakness is not one of those that concern an HTTP API.
    """
    if number not in _CWE:
        raise CatalogueError(
            f"CWE-{number} is not in tollproof's table of weaknesses; "
            "add its title to tollproof/references.py"
        )
    return Reference(
        standard="CWE",
        clause=str(number),
        title=_CWE[number],
        url=f"https://cwe.mitre.org/data/definitions/{number}.html",
    )


def API(rank: int, year: int) -> Reference:
    """Cite an OWASP API Security Top 10 risk: `API(2, 2023)`.

    Raises:
        CatalogueError: there is no such risk, or the edition is not 2023.
    """
    if year != 2023 or rank not in _API_2023:
        raise CatalogueError(f"there is no OWASP API{rank}:{year}")
    title = _API_2023[rank]
    slug = re.sub(r"[^a-z]+", "-", title.lower()).strip("-")
    return Reference(
        standard="OWASP API Top 10 2023",
        clause=str(rank),
        title=title,
        url=f"https://owasp.org/API-Security/editions/2023/en/0xa{rank:x}-{slug}/",
    )


def ASVS(version: str, requirement: str) -> Reference:
    """Cite a requirement of the Application Security Verification Standard.

    Raises:
        CatalogueError: not version 5.0.0, or that version has no such requirement.
    """
    section, _, number = requirement.rpartition(".")
    title, count = _ASVS_5.get(section, ("", 0))
    if version != "5.0.0" or not number.isdigit() or not 1 <= int(number) <= count:
        raise CatalogueError(f"ASVS {version} has no requirement {requirement}")
    chapter = _ASVS_5_CHAPTERS[int(section.partition(".")[0])]
    return Reference(
        standard=f"ASVS {version}",
        clause=requirement,
        title=title,
        url=f"https://github.com/OWASP/ASVS/blob/v5.0.0_release/5.0/en/{chapter}.md",
    )


def RFC(number: int, section: str = "") -> Reference:
    """Cite an RFC, or one of its sections: `RFC(9110, "11.6.1")`.

    Raises:
        CatalogueError: the RFC is not one of those that rule HTTP APIs, or the
            section is not of the form `1.2.3` or `A.1`.
    """
    if number not in _RFC:
        raise CatalogueError(
            f"RFC {number} is not in tollproof's table; "
            "add its title to tollproof/references.py"
        )
    if section and not re.fullmatch(r"(\d+|[A-Z])(\.\d+)*", section):
        raise CatalogueError(f"RFC {number} cannot have a section {section!r}")
    kind = "appendix" if section[:1].isalpha() else "section"
    anchor = f"#{kind}-{section}" if section else ""
    return Reference(
        standard=f"RFC {number}",
        clause=section,
        title=_RFC[number],
        url=f"https://www.rfc-editor.org/rfc/rfc{number}.html{anchor}",
    )


_CWE = {
    16: "Configuration",
    20: "Improper Input Validation",
    178: "Improper Handling of Case Sensitivity",
    180: "Incorrect Behavior Order: Validate Before Canonicalize",
    200: "Exposure of Sensitive Information to an Unauthorized Actor",
    201: "Insertion of Sensitive Information Into Sent Data",
    203: "Observable Discrepancy",
    204: "Observable Response Discrepancy",
    208: "Observable Timing Discrepancy",
    209: "Generation of Error Message Containing Sensitive Information",
    256: "Plaintext Storage of a Password",
    259: "Use of Hard-coded Password",
    284: "Improper Access Control",
    285: "Improper Authorization",
    287: "Improper Authentication",
    288: "Authentication Bypass Using an Alternate Path or Channel",
    289: "Authentication Bypass by Alternate Name",
    290: "Authentication Bypass by Spoofing",
    291: "Reliance on IP Address for Authentication",
    294: "Authentication Bypass by Capture-replay",
    295: "Improper Certificate Validation",
    303: "Incorrect Implementation of Authentication Algorithm",
    305: "Authentication Bypass by Primary Weakness",
    306: "Missing Authentication for Critical Function",
    307: "Improper Restriction of Excessive Authentication Attempts",
    311: "Missing Encryption of Sensitive Data",
    312: "Cleartext Storage of Sensitive Information",
    319: "Cleartext Transmission of Sensitive Information",
    321: "Use of Hard-coded Cryptographic Key",
    324: "Use of a Key Past its Expiration Date",
    327: "Use of a Broken or Risky Cryptographic Algorithm",
    330: "Use of Insufficiently Random Values",
    331: "Insufficient Entropy",
    334: "Small Space of Random Values",
    340: "Generation of Predictable Numbers or Identifiers",
    341: "Predictable from Observable State",
    342: "Predictable Exact Value from Previous Values",
    345: "Insufficient Verification of Data Authenticity",
    346: "Origin Validation Error",
    347: "Improper Verification of Cryptographic Signature",
    352: "Cross-Site Request Forgery (CSRF)",
    362: "Concurrent Execution using Shared Resource with Improper Synchronization",
    384: "Session Fixation",
    388: "7PK - Errors",
    394: "Unexpected Status Code or Return Value",
    400: "Uncontrolled Resource Consumption",
    404: "Improper Resource Shutdown or Release",
    434: "Unrestricted Upload of File with Dangerous Type",
    436: "Interpretation Conflict",
    441: "Unintended Proxy or Intermediary ('Confused Deputy')",
    444: "Inconsistent Interpretation of HTTP Requests "
    "('HTTP Request/Response Smuggling')",
    451: "User Interface (UI) Misrepresentation of Critical Information",
    470: "Use of Externally-Controlled Input to Select Classes or Code",
    497: "Exposure of Sensitive System Information to an Unauthorized Control Sphere",
    521: "Weak Password Requirements",
    522: "Insufficiently Protected Credentials",
    523: "Unprotected Transport of Credentials",
    524: "Use of Cache Containing Sensitive Information",
    525: "Use of Web Browser Cache Containing Sensitive Information",
    532: "Insertion of Sensitive Information into Log File",
    540: "Inclusion of Sensitive Information in Source Code",
    548: "Exposure of Information Through Directory Listing",
    551: "Incorrect Behavior Order: Authorization Before Parsing and Canonicalization",
    598: "Use of GET Request Method With Sensitive Query Strings",
    601: "URL Redirection to Untrusted Site ('Open Redirect')",
    613: "Insufficient Session Expiration",
    614: "Sensitive Cookie in HTTPS Session Without 'Secure' Attribute",
    615: "Inclusion of Sensitive Information in Source Code Comments",
    636: "Not Failing Securely ('Failing Open')",
    639: "Authorization Bypass Through User-Controlled Key",
    648: "Incorrect Use of Privileged APIs",
    650: "Trusting HTTP Permission Methods on the Server Side",
    668: "Exposure of Resource to Wrong Sphere",
    672: "Operation on a Resource after Expiration or Release",
    674: "Uncontrolled Recursion",
    681: "Incorrect Conversion between Numeric Types",
    693: "Protection Mechanism Failure",
    703: "Improper Check or Handling of Exceptional Conditions",
    755: "Improper Handling of Exceptional Conditions",
    757: "Selection of Less-Secure Algorithm During Negotiation "
    "('Algorithm Downgrade')",
    759: "Use of a One-Way Hash without a Salt",
    760: "Use of a One-Way Hash with a Predictable Salt",
    770: "Allocation of Resources Without Limits or Throttling",
    776: "Improper Restriction of Recursive Entity References in DTDs",
    798: "Use of Hard-coded Credentials",
    799: "Improper Control of Interaction Frequency",
    807: "Reliance on Untrusted Inputs in a Security Decision",
    829: "Inclusion of Functionality from Untrusted Control Sphere",
    835: "Loop with Unreachable Exit Condition ('Infinite Loop')",
    840: "Business Logic Errors",
    841: "Improper Enforcement of Behavioral Workflow",
    862: "Missing Authorization",
    863: "Incorrect Authorization",
    916: "Use of Password Hash With Insufficient Computational Effort",
    918: "Server-Side Request Forgery (SSRF)",
    922: "Insecure Storage of Sensitive Information",
    942: "Permissive Cross-domain Security Policy with Untrusted Domains",
    1004: "Sensitive Cookie Without 'HttpOnly' Flag",
    1021: "Improper Restriction of Rendered UI Layers or Frames",
    1059: "Insufficient Technical Documentation",
    1188: "Initialization of a Resource with an Insecure Default",
    1230: "Exposure of Sensitive Information Through Metadata",
    1270: "Generation of Incorrect Security Tokens",
    1284: "Improper Validation of Specified Quantity in Input",
    1286: "Improper Validation of Syntactic Correctness of Input",
    1287: "Improper Validation of Specified Type of Input",
    1390: "Weak Authentication",
    1391: "Use of Weak Credentials",
}

_API_2023 = {
    1: "Broken Object Level Authorization",
    2: "Broken Authentication",
    3: "Broken Object Property Level Authorization",
    4: "Unrestricted Resource Consumption",
    5: "Broken Function Level Authorization",
    6: "Unrestricted Access to Sensitive Business Flows",
    7: "Server Side Request Forgery",
    8: "Security Misconfiguration",
    9: "Improper Inventory Management",
    10: "Unsafe Consumption of APIs",
}

_RFC = {
    6265: "HTTP State Management Mechanism",
    6454: "The Web Origin Concept",
    6585: "Additional HTTP Status Codes",
    6749: "The OAuth 2.0 Authorization Framework",
    6750: "The OAuth 2.0 Authorization Framework: Bearer Token Usage",
    6797: "HTTP Strict Transport Security (HSTS)",
    7009: "OAuth 2.0 Token Revocation",
    7515: "JSON Web Signature (JWS)",
    7517: "JSON Web Key (JWK)",
    7518: "JSON Web Algorithms (JWA)",
    7519: "JSON Web Token (JWT)",
    7592: "OAuth 2.0 Dynamic Client Registration Management Protocol",
    7617: "The 'Basic' HTTP Authentication Scheme",
    8259: "The JavaScript Object Notation (JSON) Data Interchange Format",
    8414: "OAuth 2.0 Authorization Server Metadata",
    8725: "JSON Web Token Best Current Practices",
    8941: "Structured Field Values for HTTP",
    9068: "JSON Web Token (JWT) Profile for OAuth 2.0 Access Tokens",
    9110: "HTTP Semantics",
    9111: "HTTP Caching",
    9112: "HTTP/1.1",
    9457: "Problem Details for HTTP APIs",
    9651: "Structured Field Values for HTTP",
    9700: "Best Current Practice for OAuth 2.0 Security",
}

# The 345 requirements of ASVS 5.0.0: section -> (its title, how many it has).
_ASVS_5 = {
    "1.1": ("Encoding and Sanitization Architecture", 2),
    "1.2": ("Injection Prevention", 10),
    "1.3": ("Sanitization", 12),
    "1.4": ("Memory, String, and Unmanaged Code", 3),
    "1.5": ("Safe Deserialization", 3),
    "2.1": ("Validation and Business Logic Documentation", 3),
    "2.2": ("Input Validation", 3),
    "2.3": ("Business Logic Security", 5),
    "2.4": ("Anti-automation", 2),
    "3.1": ("Web Frontend Security Documentation", 1),
    "3.2": ("Unintended Content Interpretation", 3),
    "3.3": ("Cookie Setup", 5),
    "3.4": ("Browser Security Mechanism Headers", 8),
    "3.5": ("Browser Origin Separation", 8),
    "3.6": ("External Resource Integrity", 1),
    "3.7": ("Other Browser Security Considerations", 5),
    "4.1": ("Generic Web Service Security", 5),
    "4.2": ("HTTP Message Structure Validation", 5),
    "4.3": ("GraphQL", 2),
    "4.4": ("WebSocket", 4),
    "5.1": ("File Handling Documentation", 1),
    "5.2": ("File Upload and Content", 6),
    "5.3": ("File Storage", 3),
    "5.4": ("File Download", 3),
    "6.1": ("Authentication Documentation", 3),
    "6.2": ("Password Security", 12),
    "6.3": ("General Authentication Security", 8),
    "6.4": ("Authentication Factor Lifecycle and Recovery", 6),
    "6.5": ("General Multi-factor authentication requirements", 8),
    "6.6": ("Out-of-Band authentication mechanisms", 4),
    "6.7": ("Cryptographic authentication mechanism", 2),
    "6.8": ("Authentication with an Identity Provider", 4),
    "7.1": ("Session Management Documentation", 3),
    "7.2": ("Fundamental Session Management Security", 4),
    "7.3": ("Session Timeout", 2),
    "7.4": ("Session Termination", 5),
    "7.5": ("Defenses Against Session Abuse", 3),
    "7.6": ("Federated Re-authentication", 2),
    "8.1": ("Authorization Documentation", 4),
    "8.2": ("General Authorization Design", 4),
    "8.3": ("Operation Level Authorization", 3),
    "8.4": ("Other Authorization Considerations", 2),
    "9.1": ("Token source and integrity", 3),
    "9.2": ("Token content", 4),
    "10.1": ("Generic OAuth and OIDC Security", 2),
    "10.2": ("OAuth Client", 3),
    "10.3": ("OAuth Resource Server", 5),
    "10.4": ("OAuth Authorization Server", 16),
    "10.5": ("OIDC Client", 5),
    "10.6": ("OpenID Provider", 2),
    "10.7": ("Consent Management", 3),
    "11.1": ("Cryptographic Inventory and Documentation", 4),
    "11.2": ("Secure Cryptography Implementation", 5),
    "11.3": ("Encryption Algorithms", 5),
    "11.4": ("Hashing and Hash-based Functions", 4),
    "11.5": ("Random Values", 2),
    "11.6": ("Public Key Cryptography", 2),
    "11.7": ("In-Use Data Cryptography", 2),
    "12.1": ("General TLS Security Guidance", 5),
    "12.2": ("HTTPS Communication with External Facing Services", 2),
    "12.3": ("General Service to Service Communication Security", 5),
    "13.1": ("Configuration Documentation", 4),
    "13.2": ("Backend Communication Configuration", 6),
    "13.3": ("Secret Management", 4),
    "13.4": ("Unintended Information Leakage", 7),
    "14.1": ("Data Protection Documentation", 2),
    "14.2": ("General Data Protection", 8),
    "14.3": ("Client-side Data Protection", 3),
    "15.1": ("Secure Coding and Architecture Documentation", 5),
    "15.2": ("Security Architecture and Dependencies", 5),
    "15.3": ("Defensive Coding", 7),
    "15.4": ("Safe Concurrency", 4),
    "16.1": ("Security Logging Documentation", 1),
    "16.2": ("General Logging", 5),
    "16.3": ("Security Events", 4),
    "16.4": ("Log Protection", 3),
    "16.5": ("Error Handling", 4),
    "17.1": ("TURN Server", 2),
    "17.2": ("Media", 8),
    "17.3": ("Signaling", 2),
}

_ASVS_5_CHAPTERS = {
    1: "0x10-V1-Encoding-and-Sanitization",
    2: "0x11-V2-Validation-and-Business-Logic",
    3: "0x12-V3-Web-Frontend-Security",
    4: "0x13-V4-API-and-Web-Service",
    5: "0x14-V5-File-Handling",
    6: "0x15-V6-Authentication",
    7: "0x16-V7-Session-Management",
    8: "0x17-V8-Authorization",
    9: "0x18-V9-Self-contained-Tokens",
    10: "0x19-V10-OAuth-and-OIDC",
    11: "0x20-V11-Cryptography",
    12: "0x21-V12-Secure-Communication",
    13: "0x22-V13-Configuration",
    14: "0x23-V14-Data-Protection",
    15: "0x24-V15-Secure-Coding-and-Architecture",
    16: "0x25-V16-Security-Logging-and-Error-Handling",
    17: "0x26-V17-WebRTC",
}
