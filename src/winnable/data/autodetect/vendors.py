"""Names of columns in CRM exports by vendor: Salesforce, HubSpot, Dynamics 365, Zoho and Odoo.

Taken from the vendors' field references, labels and internal names alike, each without blanks,
capitals and punctuation (`bare`), together with names that other CRMs commonly use. What a column
contains is looked at in `infer`, not here.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Vendor:
    """One vendor's kind of export, recognized if all columns of any one of `marks` exist; names
    are in order of preference.

    `known` are further columns of it: the vendor that covers the most columns is preferred. `won`
    and `lost` are the vendor's default statuses. `late` are columns that are filled in or changed
    while a lead is worked, so that models must not use their final value.
    """

    name: str
    marks: tuple[frozenset[str], ...]
    status: tuple[str, ...]
    won: tuple[str, ...]
    lost: tuple[str, ...]
    roles: dict[str, tuple[str, ...]] = field(default_factory=dict)
    late: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()

    def covers(self, columns: Collection[str]) -> int:
        """How many of these bare column names it knows; 0 where none of its marks is complete."""
        if not any(mark <= set(columns) for mark in self.marks):
            return 0
        own = {
            *self.status,
            *self.late,
            *self.known,
            *(name for names in self.roles.values() for name in names),
        }
        return len({*columns} & (own | frozenset().union(*self.marks)))


def bare(name: str) -> str:
    """A column's name without blanks, capitals and punctuation, and without the note that Dynamics
    365 puts before its keys."""
    return re.sub(r"[\W_]", "", name.casefold()).removeprefix("donotmodify")


def recognize_vendor(columns: Collection[str]) -> Vendor | None:
    """The vendor whose export has these columns; None if they look like none of them."""
    plain = {bare(column) for column in columns}
    best = max(VENDORS, key=lambda vendor: vendor.covers(plain))
    return best if best.covers(plain) >= 4 else None


def _names(words: str) -> frozenset[str]:
    return frozenset(words.split())


def _in_order(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _marks(*words: str) -> tuple[frozenset[str], ...]:
    return tuple(_names(mark) for mark in words)


SALESFORCE_LEADS = Vendor(
    "Salesforce leads",
    _marks(
        "leadstatus leadowner createdate",
        "leadstatus createddate",
        "leadstatus companyaccount",
        "isconverted leadsource",
    ),
    status=("leadstatus", "status"),
    won=("Closed - Converted",),
    lost=("Closed - Not Converted",),
    roles={
        "id": ("leadid", "id"),
        "person": ("email",),
        "created": ("createddate", "createdate"),
        "closed": ("converteddate",),
        "source": ("leadsource",),
        "consent": ("hasoptedoutofemail", "emailoptout"),
    },
    late=_names(
        "lastmodifieddate lastmodified lastmodifiedbyid lastactivity lastactivitydate"
        " lastvieweddate lastreferenceddate systemmodstamp unreadbyowner isunreadbyowner rating"
        " convertedaccountid convertedcontactid convertedopportunityid convertedaccount"
        " convertedcontact convertedopportunity opportunityname opportunityamount emailbounceddate"
        " emailbouncedreason firstcalldatetime firstemaildatetime isconverted converted leadowner"
        " ownerid daysopen age"
    ),
    known=_names(
        "firstname lastname name company companyaccount title phone mobilephone mobile fax street"
        " city state stateprovince postalcode zippostalcode country industry annualrevenue"
        " numberofemployees noofemployees employees website salutation description donotcall"
        " leadowner leadsource"
    ),
)
"""Lead reports ("Lead Status", "Company / Account", "Create Date") and the Lead object of the API
and of Data Loader."""

SALESFORCE_OPPORTUNITIES = Vendor(
    "Salesforce opportunities",
    _marks(
        "opportunityname stage closedate", "stagename closedate", "opportunityid stage closedate"
    ),
    status=("stagename", "stage"),
    won=("Closed Won",),
    lost=("Closed Lost",),
    roles={
        "id": ("opportunityid", "id"),
        "person": ("contactid", "email"),
        "created": ("createddate", "createdate"),
        "closed": ("closedate",),
        "source": ("leadsource",),
    },
    late=_names(
        "probability forecastcategory forecastcategoryname expectedrevenue isclosed iswon closed"
        " won nextstep age agedays stageduration lastmodifieddate lastmodified lastmodifiedbyid"
        " lastactivity lastactivitydate lastvieweddate lastreferenceddate laststagechangedate"
        " laststagechangeindays lastactivityindays fiscalperiod fiscalquarter fiscalyear fiscal"
        " hasopenactivity hasoverduetask systemmodstamp amount pushcount lossreason"
    ),
    known=_names(
        "opportunityname accountname accountid type opportunityowner ownerrole ownerid campaignid"
        " name description"
    ),
)
"""Opportunity reports ("Opportunity Name", "Stage", "Probability (%)") and the Opportunity object
of the API."""

HUBSPOT_CONTACTS = Vendor(
    "HubSpot contacts",
    _marks("lifecyclestage"),
    status=("lifecyclestage",),
    won=("Customer", "Evangelist"),
    lost=(),
    roles={
        "id": ("recordid", "hsobjectid", "contactid", "vid", "recordidcontact"),
        "person": ("email",),
        "created": ("createdate", "becamealeaddate"),
        "closed": ("becameacustomerdate", "hslifecyclestagecustomerdate", "closedate"),
        "source": (
            "originalsource",
            "originaltrafficsource",
            "hsanalyticssource",
            "latestsource",
            "latesttrafficsource",
        ),
    },
    late=_names(
        "leadstatus hsleadstatus lastmodifieddate lastactivitydate notelastcontacted lastcontacted"
        " hslastsalesactivitytimestamp becameamarketingqualifiedleaddate"
        " becameasalesqualifiedleaddate becameanopportunitydate becameacustomerdate closedate"
        " becameanevangelistdate numberofassociateddeals associateddeals recentdealamount"
        " recentdealclosedate totalrevenue firstdealcreateddate daystoclose hubspotscore"
        " hsanalyticsnumpageviews numberofpageviews numberofsessions timelastseen likelihoodtoclose"
        " contactpriority numberofsalesactivities nextactivitydate contactowner hubspotownerid"
        " latestsource latesttrafficsource lastpageseen numberoftimescontacted associatednote"
        " associateddealids"
    ),
    known=_names(
        "firstname lastname jobtitle phone phonenumber mobilephonenumber companyname"
        " associatedcompany city stateregion countryregion postalcode websiteurl industry"
        " numberofemployees annualrevenue createdate originalsource leadstatus"
    ),
)
"""Contact exports ("Record ID", "Lifecycle Stage", "Create Date") and contact properties by their
internal names."""

HUBSPOT_DEALS = Vendor(
    "HubSpot deals",
    _marks("dealstage"),
    status=("dealstage",),
    won=("Closed Won", "closedwon"),
    lost=("Closed Lost", "closedlost"),
    roles={
        "id": ("recordid", "hsobjectid", "dealid"),
        "person": ("associatedcontactids", "associatedcontact"),
        "created": ("createdate", "hscreatedate"),
        "closed": ("closedate",),
        "source": (
            "originalsource",
            "originaltrafficsource",
            "originalsourcetype",
            "hsanalyticssource",
            "dealsource",
        ),
    },
    late=_names(
        "amount amountincompanycurrency forecastamount forecastcategory forecastprobability"
        " dealprobability hsdealstageprobability closedlostreason closedwonreason hsisclosedwon"
        " isclosedwon hsisclosed isdealclosed isclosedlost lastmodifieddate lastactivitydate"
        " lastcontacted daystoclose nextstep nextactivitydate numberofsalesactivities"
        " numberoftimescontacted closedamount hsclosedamount weightedamount annualcontractvalue"
        " totalcontractvalue latestsource latesttrafficsource dealowner hubspotownerid dealscore"
    ),
    known=_names(
        "dealname pipeline dealtype dealowner priority createdate closedate amount"
        " associatedcompany recordid"
    ),
)
"""Deal exports ("Record ID", "Deal Stage", "Close Date") and deal properties by their internal
names."""

DYNAMICS_LEADS = Vendor(
    "Dynamics 365 leads",
    _marks(
        "lead createdon",
        "leadid statecode",
        "leadid statuscode",
        "topic createdon leadsource",
        "statusreason leadsource",
    ),
    status=("status", "statecode", "statusreason", "statuscode"),
    won=("Qualified",),
    lost=("Disqualified", "Lost", "Cannot Contact", "No Longer Interested", "Canceled"),
    roles={
        "id": ("lead", "leadid"),
        "person": ("email", "emailaddress1"),
        "created": ("createdon",),
        "closed": ("qualifiedon", "closedon"),
        "source": ("leadsource", "leadsourcecode"),
        "consent": ("donotallowemails", "donotemail", "donotbulkemail", "donotallowbulkemails"),
    },
    late=_names(
        "modifiedon rowchecksum modifiedby statusreason statuscode statecode rating leadqualitycode"
        " leadscore leadgrade lastactivitydate lastonholdtime salesstage salesstagecode"
        " qualifyingopportunityid qualificationcomments owner ownerid initialcommunication"
        " evaluatefit estimatedvalue estvalue estclosedate estimatedclosedate processstage"
        " pipelinephase"
    ),
    known=_names(
        "firstname lastname fullname name topic subject companyname jobtitle businessphone"
        " telephone1 mobilephone industrycode industry numberofemployees noofemployees revenue"
        " annualrevenue address1city address1country city country createdon purchasetimeframe"
        " budgetamount decisionmaker need purchaseprocess websiteurl"
    ),
)
"""Excel exports of the Lead table ("(Do Not Modify) Lead", "Status Reason", "Created On") and its
columns by logical name."""

DYNAMICS_OPPORTUNITIES = Vendor(
    "Dynamics 365 opportunities",
    _marks(
        "opportunity createdon",
        "opportunityid statecode",
        "opportunityid statuscode",
        "potentialcustomer status createdon",
    ),
    status=("status", "statecode", "statusreason", "statuscode"),
    won=("Won",),
    lost=("Lost", "Canceled", "Out-Sold"),
    roles={
        "id": ("opportunity", "opportunityid"),
        "person": ("contact", "parentcontactid", "emailaddress"),
        "created": ("createdon",),
        "closed": ("actualclosedate",),
        "source": ("leadsource", "campaignid", "sourcecampaign"),
    },
    late=_names(
        "modifiedon rowchecksum modifiedby statusreason statuscode statecode rating"
        " opportunityratingcode probability closeprobability actualrevenue actualvalue estrevenue"
        " estimatedvalue estclosedate estimatedclosedate salesstage stepname pipelinephase"
        " forecastcategory msdynforecastcategory lastonholdtime opportunityscore opportunitygrade"
        " owner ownerid totalamount finaldecisiondate presentproposal developproposal"
        " completefinalproposal sendthankyounote"
    ),
    known=_names(
        "topic name potentialcustomer customerid account parentaccountid originatinglead createdon"
        " currency budgetamount need"
    ),
)
"""Excel exports of the Opportunity table ("Actual Close Date", "Est. Revenue", "Status") and its
columns by logical name."""

ZOHO_LEADS = Vendor(
    "Zoho leads",
    _marks("leadstatus createdtime", "leadstatus recordid leadowner", "leadstatus modifiedtime"),
    status=("leadstatus", "isconverted", "converted", "leadconverted"),
    won=("Converted",),
    lost=("Junk Lead", "Lost Lead", "Not Qualified"),
    roles={
        "id": ("recordid", "leadid", "id"),
        "person": ("email",),
        "created": ("createdtime",),
        "closed": ("converteddatetime", "convertedtime", "leadconversiontime"),
        "source": ("leadsource",),
        "consent": ("emailoptout",),
    },
    late=_names(
        "modifiedtime modifiedby lastactivitytime rating leadowner leadownerid leadconversiontime"
        " isconverted converted convertedaccount convertedcontact converteddeal score positivescore"
        " negativescore touchpointscore unsubscribedmode unsubscribedtime averagetimespentminutes"
        " numberofchats daysvisited visitorscore mostrecentvisit tag"
    ),
    known=_names(
        "company firstname lastname title phone mobile fax industry noofemployees annualrevenue"
        " website street city state zipcode country description salutation secondaryemail skypeid"
        " twitter createdby leadsource createdtime"
    ),
)
"""Exports of the Leads module ("Record Id", "Lead Status", "Created Time") and its API names."""

ZOHO_DEALS = Vendor(
    "Zoho deals",
    _marks("dealname stage createdtime", "dealname stage closingdate"),
    status=("stage",),
    won=("Closed Won",),
    lost=("Closed Lost", "Closed Lost to Competition", "Closed-Lost to Competition"),
    roles={
        "id": ("recordid", "dealid", "id"),
        "person": ("contactname", "contactnameid"),
        "created": ("createdtime",),
        "closed": ("closingdate",),
        "source": ("leadsource", "campaignsource"),
    },
    late=_names(
        "modifiedtime modifiedby lastactivitytime probability expectedrevenue amount nextstep"
        " reasonforloss reasonforlosss salescycleduration overallsalesduration leadconversiontime"
        " forecastcategory dealowner stagemodifiedtime tag score"
    ),
    known=_names(
        "dealname accountname contactname type closingdate leadsource createdby createdtime"
        " description campaignsource"
    ),
)
"""Exports of the Deals module ("Deal Name", "Stage", "Closing Date") and its API names."""

ODOO_LEADS = Vendor(
    "Odoo leads",
    _marks(
        "stageid createdate",
        "stage salesteam",
        "stage createdon salesperson",
        "stage expectedclosing",
        "stageid emailfrom",
    ),
    status=("wonstatus", "iswon", "stage", "stageid"),
    won=("Won", "won"),
    lost=("Lost", "lost"),
    roles={
        "id": ("id", "externalid"),
        "person": ("email", "emailfrom", "emailnormalized"),
        "created": ("createdon", "createdate"),
        "closed": ("closeddate", "dateclosed"),
        "source": ("source", "sourceid", "medium", "mediumid", "campaign", "campaignid"),
    },
    late=_names(
        "probability automatedprobability proratedrevenue expectedrevenue expectedmrr proratedmrr"
        " lostreason lostreasonid active expectedclosing datedeadline dayclose dayopen daystoclose"
        " daystoassign assignmentdate dateopen lastaction dateactionlast laststageupdate"
        " datelaststageupdate lastupdatedon writedate conversiondate dateconversion priority tags"
        " tagids kanbanstate salesperson userid nextactivitydeadline activitystate emailquality"
        " phonequality iswon wonstatus"
    ),
    known=_names(
        "opportunity name contactname companyname partnername customer partnerid phone mobile"
        " jobposition function website city zip country countryid state stateid street salesteam"
        " teamid type company language campaign medium createdon"
    ),
)
"""Exports of crm.lead, leads and opportunities in one ("Opportunity", "Stage", "Created on"), by
label or technical name."""

VENDORS = (
    SALESFORCE_LEADS,
    SALESFORCE_OPPORTUNITIES,
    HUBSPOT_CONTACTS,
    HUBSPOT_DEALS,
    DYNAMICS_LEADS,
    DYNAMICS_OPPORTUNITIES,
    ZOHO_LEADS,
    ZOHO_DEALS,
    ODOO_LEADS,
)

ROLES: dict[str, tuple[str, ...]] = {
    "id": _in_order(
        "leadid prospectid opportunityid dealid recordid mqlid contactid customerid caseid"
        " externalid id leadnumber leadno leadnr leadnummer number key"
    ),
    "person": _in_order(
        "email emailaddress emailaddress1 emailfrom workemail businessemail primaryemail mail"
        " personid"
    ),
    "created": _in_order(
        "created createddate createdate createdat createdon createdtime creationdate datecreated"
        " dateadded leaddate inquirydate enquirydate entrydate submittedat signupdate"
        " firstcontactdate firstcontact engagedate receivedon addtime erstelltam erstellungsdatum"
        " angelegtam"
    ),
    "closed": _in_order(
        "closed closedate closeddate closedat closedon dateclosed actualclosedate closingdate"
        " closetime converteddate convertedat wondate wontime conversiondate becameacustomerdate"
        " abschlussdatum geschlossenam"
    ),
    "source": _in_order(
        "leadsource source originalsource originaltrafficsource leadorigin origin leadsourcecode"
        " sourceid channel marketingchannel utmsource acquisitionchannel campaign medium quelle"
        " herkunft"
    ),
    "consent": _in_order(
        "marketingconsent consent optin emailoptin consentgiven gdprconsent permission"
        " marketingpermission emailconsent emailoptout hasoptedoutofemail donotemail"
        " donotallowemails optout donotcontact unsubscribed einwilligung"
    ),
}
"""Names of the columns of each role in other CRMs, the most specific first."""

STATUS = _in_order(
    "status leadstatus stage stagename dealstage opportunitystage salesstage lifecyclestage"
    " wonstatus statecode statuscode statusreason state outcome result phase"
)
"""Names of a column with the status of a lead."""

OUTCOMES = _in_order(
    "converted isconverted hasconverted won iswon closedwon isclosedwon hsisclosedwon conversion"
    " conversionflag outcome result y target label success deal sale sold purchased bought"
    " subscribed customer iscustomer becamecustomer"
)
"""Names of a column that holds yes or no, or 1 or 0, for whether a lead was won."""

WON_DATES = _in_order(
    "wondate wontime wonat wonon becameacustomerdate datewon closedwondate conversiondate"
    " converteddate"
)
"""Names of a date that only won leads have."""

KINDS = _in_order(
    "kind type activitytype activitykind eventtype eventkind activity event eventname activityname"
)
"""Names of the column of an activity log with the kind of activity."""

FIELDS = _in_order("field fieldname property propertyname attribute column columnname fieldevent")
"""Names of the column of a field history with the name of the field."""
